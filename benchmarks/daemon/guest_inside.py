"""The part that runs in the guest: measures what it is told to, into ``$DAMON_TUNER_OUT``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median

from damon_tuner.benchmarks.daemon import guest_cpu, guest_faults, guest_foreign, guest_kills
from damon_tuner.benchmarks.kernel import monitor
from damon_tuner.benchmarks.kernel.replay import decode_times_s

RESULT = "measured.json"
_KILLS = 100


def _record() -> object:
    out = Path(os.environ["DAMON_TUNER_OUT"])
    monitor.record(out)
    times_s, _ = decode_times_s(out)
    return {"decode_s": median(times_s)}


MEASUREMENTS: dict[str, Callable[[], object]] = {
    "cpu": lambda: asdict(guest_cpu.measure()),
    "record": _record,
    "kills": lambda: guest_kills.measure(_KILLS),
    "faults": lambda: [asdict(survival) for survival in guest_faults.measure()],
    "foreign": lambda: [asdict(refusal) for refusal in guest_foreign.measure()],
}


def main() -> None:
    """Measure what the arguments name, in their order."""
    measured = {}
    for name in sys.argv[1:]:
        measured[name] = MEASUREMENTS[name]()
        print(f"{name}: {json.dumps(measured[name])[:300]}", flush=True)
    out = Path(os.environ["DAMON_TUNER_OUT"], RESULT)
    out.write_text(json.dumps({"kernel": os.uname().release, **measured}))


if __name__ == "__main__":
    main()
