"""What a forecast is worth on a real kernel: faults with it and without, of the same load.

Four processes run side by side, each in a control group of its own. Two use three parts of their
memory in turn; two use them in no order. Of each two, one is managed by page-out alone, and the
other by page-out and forecast: the same minimum age and quota, held.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from damon_tuner._core import action_of
from damon_tuner.benchmarks.kernel.planned import planned_tenants
from damon_tuner.benchmarks.kernel.played import Played, Sample, between, playing

RUNS = 2
LEARNT_S, WATCHED_S = 270.0, 180.0

_MIB = 1 << 20
_HOT_MIB, _PART_MIB, _PARTS = 8, 16, 3
MAPPED_BYTES = (_HOT_MIB + _PARTS * _PART_MIB) * _MIB
_RATE_HZ = 20.0
_PHASE_S = 30
_NR_AT_RANDOM = 60

_ALONE = ("reclaim",)
_FORECAST = ("reclaim", "prediction")
_ACTION = {
    "min_age_s": action_of("min_age_s", 12.0),
    "quota_bytes_per_s": 1.0,
    "protect_horizon_s": action_of("protect_horizon_s", 20.0),
    "prefetch_quota_bytes_per_s": 1.0,
}
# What the guard would do of itself is no part of this.
_BUDGET = 1.0


def measure() -> list[dict[str, Any]]:
    """Return the runs, one after another, each with loads that are drawn anew."""
    return [_run(Path("/run", f"forecast{number}"), number) for number in range(RUNS)]


def in_turn() -> str:
    """What the load program is told: the parts one after the other, for ever."""
    return _pattern([(part, _PHASE_S) for part in range(_PARTS)])


def at_random(rng: Random) -> str:
    """The same without an order, and for unlike times."""
    phases: list[tuple[int, int]] = []
    for _ in range(_NR_AT_RANDOM):
        others = [part for part in range(_PARTS) if not phases or part != phases[-1][0]]
        phases.append((rng.choice(others), rng.randint(_PHASE_S // 2, 3 * _PHASE_S // 2)))
    return _pattern(phases)


def _pattern(phases: list[tuple[int, int]]) -> str:
    lines = [f"map {MAPPED_BYTES // _MIB}M"]
    for part, seconds in phases:
        at_mib = _HOT_MIB + part * _PART_MIB
        lines += [
            f"phase {seconds}",
            f"0M {_HOT_MIB}M random {_RATE_HZ}",
            f"{at_mib}M {_PART_MIB}M random {_RATE_HZ}",
        ]
    return "\n".join(lines) + "\n"


def _run(folder: Path, number: int) -> dict[str, Any]:
    folder.mkdir()
    patterns = {"in_turn": in_turn(), "at_random": at_random(Random(number))}
    kinds = {
        f"{load}.{kind}": (pattern, groups)
        for load, pattern in patterns.items()
        for kind, groups in (("without", _ALONE), ("with", _FORECAST))
    }
    with ExitStack() as stack:
        loads = {
            name: stack.enter_context(playing(name, pattern, folder))
            for name, (pattern, _) in kinds.items()
        }
        tenants = stack.enter_context(planned_tenants((), len(loads)))
        for name, (_, groups) in kinds.items():
            tenants.add(
                name, loads[name].pid, _ACTION, by_group=False, groups=groups, budget=_BUDGET
            )
        for load in loads.values():
            load.go()
        tenants.run(LEARNT_S, lambda at_s: False)
        watched = _Watched(loads)
        tenants.run(WATCHED_S, watched.look)
        found = {name: watched.found(name) for name in loads}
    print({name: each["major_faults"] for name, each in found.items()}, flush=True)
    return found


class _Watched:
    """Looks at all loads each second."""

    def __init__(self, loads: Mapping[str, Played]) -> None:
        self._loads = loads
        self._samples: dict[str, list[Sample]] = {name: [] for name in loads}

    def look(self, at_s: float) -> bool:
        """Look; it is never enough."""
        for name, load in self._loads.items():
            self._samples[name].append(load.sample())
        return False

    def found(self, name: str) -> dict[str, Any]:
        """What was counted of one load, the mean of what it held, and how fast it was."""
        samples = self._samples[name]
        held = sum(sample.memory_bytes for sample in samples) / len(samples)
        return {
            **between(samples[0], samples[-1]),
            "saved_share": 1.0 - held / MAPPED_BYTES,
            "accesses_per_s": self._loads[name].accesses_per_s(),
            "last": asdict(samples[-1]),
        }
