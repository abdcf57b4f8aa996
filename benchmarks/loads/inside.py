"""The part that runs inside the guest: one load, several policies in turn, each on a new start.

Writes ``load.json`` to ``$DAMON_TUNER_OUT``. The load and who asks it are on CPU 1, everything
else on CPU 0, so that what is measured is what page-out does to the load.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from damon_tuner.benchmarks.kernel_demo.inside import processes
from damon_tuner.benchmarks.loads import LOADS, RESULT
from damon_tuner.benchmarks.loads.contenders import contender
from damon_tuner.benchmarks.loads.driver import driven
from damon_tuner.benchmarks.loads.memory import rest_filled
from damon_tuner.benchmarks.loads.phase import run_phase
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings
from damon_tuner.kernel_iface.sysfs.swap_in import measure_swap_in_us

_OUR_CPU = 0


def main() -> int:
    """Run every policy, and write down what was measured."""
    parser = argparse.ArgumentParser(description="Measure policies on a load, in the guest.")
    parser.add_argument("--load", choices=LOADS, required=True)
    parser.add_argument("--policies", nargs="+", required=True, help="in their order")
    parser.add_argument("--policy", type=Path, required=True, help="what is learned")
    parser.add_argument("--budget", type=float, required=True)
    parser.add_argument("--warm-up", type=float, required=True, help="seconds, before each")
    parser.add_argument("--seconds", type=float, required=True, help="of each policy")
    parser.add_argument("--interval", type=float, required=True)
    args = parser.parse_args()
    os.sched_setaffinity(0, {_OUR_CPU})
    settings_before, processes_before = damon_settings(), processes()
    swap_in_us = measure_swap_in_us()
    with driven(args.load):
        # what only a first start does, such as reading programs, is then in no policy's figures
        pass
    phases = [_phase(name, args, swap_in_us) for name in args.policies]
    changed = {path for path, _ in settings_before.items() ^ damon_settings().items()}
    result = {
        "swap_in_us": swap_in_us,
        "phases": phases,
        "not_restored": sorted(changed),
        "processes_differ": processes() != processes_before,
    }
    Path(os.environ["DAMON_TUNER_OUT"], RESULT).write_text(json.dumps(result))
    return 0


def _phase(name: str, args: argparse.Namespace, swap_in_us: float) -> dict[str, Any]:
    policy = contender(name, args.policy, args.budget)
    began_s = time.monotonic()
    with driven(args.load) as load, rest_filled() as free_share:
        filled_s = time.monotonic() - began_s
        load.go()
        time.sleep(args.warm_up)
        found = run_phase(load, policy, args.seconds, swap_in_us, args.interval)
    last = found["samples"][-1]
    print(
        f"{args.load} {name}: filled in {filled_s:.0f} s, {free_share:.0%} free, "
        f"{last['resident_bytes'] >> 20} MiB resident, {last['swapped_bytes'] >> 20} MiB "
        f"swapped, {last['major_faults']} major faults, {last['done']} done",
        flush=True,
    )
    return {"policy": name, "filled_s": filled_s, "free_share": free_share, **found}


if __name__ == "__main__":
    sys.exit(main())
