"""The part that runs inside the guest: every pattern under every policy, in turn.

Writes ``ranks.json`` to ``$DAMON_TUNER_OUT``. The load is on CPU 1, everything else on CPU 0.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from damon_tuner.benchmarks.kernel.played import Played, between, playing
from damon_tuner.benchmarks.loads.contenders import contender
from damon_tuner.benchmarks.loads.memory import rest_filled
from damon_tuner.benchmarks.loads.phase import run_phase
from damon_tuner.benchmarks.ranks import RESULT
from damon_tuner.benchmarks.ranks.patterns import PATTERNS, Pattern
from damon_tuner.kernel_iface.sysfs.swap_in import measure_swap_in_us
from damon_tuner.policies.decision import CONTROL_INTERVAL_S

_OUR_CPU = 0


@dataclass(frozen=True, slots=True)
class _Paced:
    """A load that does as it is told: the time that it takes for it tells policies apart."""

    played: Played
    done: int = 0

    @property
    def pid(self) -> int:
        """The process to be managed."""
        return self.played.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return Path("/proc", str(self.pid), "stat").exists()


def main() -> int:
    """Play everything, and write down what was measured."""
    parser = argparse.ArgumentParser(description="Rank policies, in the guest.")
    parser.add_argument("--policy", type=Path, required=True, help="what is learned")
    parser.add_argument("--budget", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="of each policy")
    parser.add_argument("--loads", nargs="+", choices=PATTERNS, required=True)
    parser.add_argument("--policies", nargs="+", required=True)
    args = parser.parse_args()
    os.sched_setaffinity(0, {_OUR_CPU})
    swap_in_us = measure_swap_in_us()
    played = {
        name: [
            _phase(name, PATTERNS[name], policy, args, swap_in_us)
            for policy in _in_turn(args.policies, number)
        ]
        for number, name in enumerate(args.loads)
    }
    result = {"swap_in_us": swap_in_us, "played": played}
    Path(os.environ["DAMON_TUNER_OUT"], RESULT).write_text(json.dumps(result))
    return 0


def _in_turn(policies: Sequence[str], number: int) -> tuple[str, ...]:
    return (*policies[number:], *policies[:number])


def _phase(
    name: str, pattern: Pattern, policy: str, args: argparse.Namespace, swap_in_us: float
) -> dict[str, Any]:
    decides = contender(policy, args.policy, args.budget)
    with playing(name, pattern.text(), Path("/run")) as load, rest_filled():
        load.go()
        first = load.sample()
        found = run_phase(_Paced(load), decides, args.seconds, swap_in_us, CONTROL_INTERVAL_S)
        last = load.sample()
    pressure = [s["psi_some_us"] for s in found["samples"]]
    told = {
        "policy": policy,
        **between(first, last),
        "resident_bytes": [s["resident_bytes"] for s in found["samples"]],
        "psi_some_us": pressure[-1] - pressure[0],
        "seen_hot_bytes": found["seen_hot_bytes"],
        "last": asdict(last),
    }
    print(
        f"{name} {policy}: {fmean(told['resident_bytes']) / 2**20:.1f} MiB resident, "
        f"{told['major_faults']:.0f} major faults, {told['cpu_s']:.1f} s of CPU",
        flush=True,
    )
    return told


if __name__ == "__main__":
    sys.exit(main())
