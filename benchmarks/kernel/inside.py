"""The part that runs in the guest: measures what it is told to, into ``$DAMON_TUNER_OUT``."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from random import Random
from statistics import median

from damon_tuner.benchmarks.kernel import (
    actions,
    blocks,
    files,
    forecast,
    kills,
    monitor,
    power,
    tenants,
    thp,
    tiering,
)
from damon_tuner.benchmarks.kernel.boots import measure_asked
from damon_tuner.benchmarks.kernel.replay import decode_times_s

_TIERING_RUNS = 3
_KILLS = 50


def _actions() -> object:
    return [{**asdict(tried), "ok": tried.ok} for tried in actions.measure()]


def _tiering() -> object:
    return [tiering.measure() for _ in range(_TIERING_RUNS)]


def _kills() -> object:
    with kills.tenant() as tenant:
        killed = list(kills.kill_all(kills.drivers(tenant), _KILLS, Random(1)))
        return kills.summary("kernel.kill.restored", killed)


def _monitor() -> object:
    return [asdict(cost) for cost in monitor.measure()]


def record() -> object:
    """Leave a recording of the trace, and say how long decoding it takes in the guest."""
    out = Path(os.environ["DAMON_TUNER_OUT"])
    monitor.record(out)
    times_s, _ = decode_times_s(out)
    return {"decode_s": median(times_s)}


MEASUREMENTS: dict[str, Callable[[], object]] = {
    "forecast": forecast.measure,
    "tenants": tenants.measure,
    "blocks": blocks.measure,
    "files": files.measure,
    "actions": _actions,
    "tiering": _tiering,
    "tiering_pair": tiering.measure_pair,
    "thp": thp.measure,
    "power": power.measure,
    "kills": _kills,
    "monitor": _monitor,
    "record": record,
}


if __name__ == "__main__":
    measure_asked(MEASUREMENTS)
