"""One simulated host that nobody manages: what was forecast, and what came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.benchmarks.blocks import block_middles, load_range
from damon_tuner.envs.workload_file import Workload
from damon_tuner.kernel_iface.host import Snapshot
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import CONTROL_INTERVAL_S, MONITORING

EPISODE_S = 1800.0
FIRST_S = 300.0
"""What is forecast before that is not judged: hardly anything has been seen."""

MAX_RANGES = 7
"""As many addresses as filters of a scheme are given to."""

# How often the load is looked at: steps are a multiple.
_TICK_S = 1.0

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
HORIZONS_S = _core.FORECAST_HORIZONS_S


@dataclass(frozen=True, slots=True)
class AtHorizon:
    """How wrong the forecasts of an episode were, on average, and those that nothing changes.

    Errors are absolute, of the working set and of the four classes of heat, as shares of the
    monitored bytes. The rest are blocks, summed over all forecasts: those forecast to be needed,
    those not in use at the time, and how many of either were accessed in time.
    """

    error: float
    persistence: float
    class_error: float
    class_persistence: float
    forecast_blocks: float
    forecast_accessed: float
    idle_blocks: float
    idle_accessed: float


@dataclass(frozen=True, slots=True)
class Episode:
    """By horizon, and the mean strength of the period."""

    horizons: tuple[AtHorizon, ...]
    strength: float


class _Watch:
    """The history and the forecast of a host, and what they said at each step."""

    def __init__(self) -> None:
        self._history, self._forecast = _core.History(), _core.Forecast()
        self.now: list[list[float]] = []
        self.ahead: list[list[list[float]]] = []
        self.in_use: list[Bools] = []
        self.needed: list[list[Bools]] = []
        self.strengths: list[float] = []

    def take(self, snapshot: Snapshot, addresses: Floats) -> None:
        """Take in a snapshot; ``addresses`` are those of the load's blocks."""
        self._history.update(snapshot)
        self._forecast.update(self._history, snapshot)
        self.now.append([*self._forecast.now().values()])
        self.ahead.append([[*shares.values()] for shares in self._forecast.ahead()])
        self.strengths.append(self._forecast.strength)
        self.in_use.append(self._blocks_in_use(addresses))
        self.needed.append([self._blocks_needed(addresses, s) for s in HORIZONS_S])

    def _blocks_in_use(self, addresses: Floats) -> Bools:
        chunks = np.array(self._history.chunks())
        newest = np.frombuffer(self._history.heat(), np.uint8)[: len(chunks)]
        in_use: Bools = newest[np.searchsorted(chunks, addresses, side="right") - 1] > 0
        return in_use

    def _blocks_needed(self, addresses: Floats, horizon_s: float) -> Bools:
        needed = np.zeros(len(addresses), bool)
        for start, end in self._forecast.needed(self._history, horizon_s, MAX_RANGES):
            needed |= (addresses >= start) & (addresses < end)
        return needed


def run_episode(
    workload: Workload,
    seed: int,
    *,
    interval_s: float = CONTROL_INTERVAL_S,
    episode_s: float = EPISODE_S,
) -> Episode:
    """Watch one host, and compare afterwards."""
    host = SimHost(workload.spec(), seed=seed, attrs=MONITORING)
    host.start(())
    rates, touched = (np.empty(host.nr_blocks(), np.float32) for _ in range(2))
    addresses = block_middles(load_range(host.snapshot()), len(rates))
    watch, accesses = _Watch(), np.zeros(len(rates))
    total, share = [], []
    for _ in range(round(episode_s / interval_s)):
        for _ in range(round(interval_s / _TICK_S)):
            host.advance(_TICK_S)
            host.read_load(rates, touched)
            accesses += rates * _TICK_S
        watch.take(host.snapshot(), addresses)
        total.append(accesses.copy())
        share.append(touched.copy())
    return Episode(
        tuple(
            _compare(watch, k, interval_s, np.array(total), np.array(share))
            for k in range(len(HORIZONS_S))
        ),
        float(np.mean(watch.strengths)),
    )


def _compare(
    watch: _Watch, horizon: int, interval_s: float, total: Floats, touched: Floats
) -> AtHorizon:
    """``total`` is how often each page of a block was accessed until each step."""
    ahead = max(round(HORIZONS_S[horizon] / interval_s), 1)
    judged = slice(round(FIRST_S / interval_s), -ahead)
    now, said = np.array(watch.now), np.array(watch.ahead)[:, horizon]
    came = now[judged.start + ahead :]
    wrong, unchanged = np.abs(said[judged] - came), np.abs(now[judged] - came)
    idle = ~np.array(watch.in_use)[judged]
    needed = np.array(watch.needed)[judged, horizon] & idle
    accessed = touched[judged] * -np.expm1(total[judged] - total[judged.start + ahead :])
    return AtHorizon(
        error=float(wrong[:, 0].mean()),
        persistence=float(unchanged[:, 0].mean()),
        class_error=float(wrong[:, 1:].mean()),
        class_persistence=float(unchanged[:, 1:].mean()),
        forecast_blocks=float(needed.sum()),
        forecast_accessed=float(accessed[needed].sum()),
        idle_blocks=float(idle.sum()),
        idle_accessed=float(accessed[idle].sum()),
    )
