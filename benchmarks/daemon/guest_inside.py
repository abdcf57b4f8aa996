"""The part that runs in the guest: measures what it is told to, into ``$DAMON_TUNER_OUT``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from damon_tuner.benchmarks.daemon import guest_cpu, guest_faults, guest_foreign, guest_kills
from damon_tuner.benchmarks.kernel.boots import measure_asked
from damon_tuner.benchmarks.kernel.inside import record

_KILLS = 100


MEASUREMENTS: dict[str, Callable[[], object]] = {
    "cpu": lambda: asdict(guest_cpu.measure()),
    "record": record,
    "kills": lambda: guest_kills.measure(_KILLS),
    "faults": lambda: [asdict(survival) for survival in guest_faults.measure()],
    "foreign": lambda: [asdict(refusal) for refusal in guest_foreign.measure()],
}


if __name__ == "__main__":
    measure_asked(MEASUREMENTS)
