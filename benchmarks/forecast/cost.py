"""What a step of the history and of the forecast costs, and how much memory they hold."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

from damon_tuner import _core
from damon_tuner.benchmarks.attributes.cost import full_snapshots
from damon_tuner.benchmarks.figure import Figure, repeated
from damon_tuner.kernel_iface.host import Snapshot

_RUNS = 7
_STEPS = 512
_PERIOD = 60
_HORIZON_S = 120.0


def cost_figures() -> list[Figure]:
    """``forecast.*_us`` are CPU time with 128 chunks and 256 steps full, and a period found.

    What it takes to turn a snapshot of Python's into C's is not in it.
    """
    runs = [_us(random.Random(run)) for run in range(_RUNS)]
    names = ("history_update", "update", "needed")
    return [
        *(
            repeated(f"forecast.{name}_us", [run[i] for run in runs], "us", clock="CPU time")
            for i, name in enumerate(names)
        ),
        Figure("forecast.history_memory", _core.History.__basicsize__, "bytes"),
        Figure("forecast.memory", _core.Forecast.__basicsize__, "bytes"),
    ]


def _us(rng: random.Random) -> tuple[float, float, float]:
    """Of the mean step once the ring is full: history, forecast, addresses."""
    history, forecast = _core.History(), _core.Forecast()
    before, after, needed = [0.0] * 2, [0.0] * 2, 0.0
    for step, snapshot in enumerate(_periodic(rng)):
        full = step >= _STEPS // 2

        def update(taken: Snapshot = snapshot) -> None:
            forecast.update(history, taken)

        # the second time it is no step, and all that is left is the conversion
        for i, work in enumerate((lambda taken=snapshot: history.update(taken), update)):
            before[i] += _timed_us(work) * full
            after[i] += _timed_us(work) * full
        needed += _timed_us(lambda: forecast.needed(history, _HORIZON_S)) * full
    steps = _STEPS - _STEPS // 2
    assert forecast.strength > 0.5, "the load is made to repeat"
    return (before[0] - after[0]) / steps, (before[1] - after[1]) / steps, needed / steps


def _periodic(rng: random.Random) -> list[Snapshot]:
    snapshots = full_snapshots(rng)
    return [
        replace(snapshots[step % _PERIOD], time_us=snapshots[step].time_us)
        for step in range(_STEPS)
    ]


def _timed_us(work: Callable[[], object]) -> float:
    started_ns = time.process_time_ns()
    work()
    return (time.process_time_ns() - started_ns) / 1e3
