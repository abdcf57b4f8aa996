"""What waiting for memory costs, by how much of it slow memory serves and at which clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from damon_tuner.benchmarks.clairvoyant.cells import Floats

_BUS_SHARE = 0.8
_BUS_SHARE_MAX = 0.95
_SHARES: Floats = np.linspace(0.0, 1.0, 4001)
# between two shares a curve may be so much lower than at both
_BETWEEN = 2e-6


def bus_load(p: Mapping[str, float]) -> float:
    """How busy the memory bus is while the load runs, all memory being fast."""
    return _BUS_SHARE * p["memory_bound_share"]


def queueing(load: Floats) -> Floats:
    """How much longer requests take on a bus that is busy for the share ``load`` of the time."""
    return 1.0 / (1.0 - np.minimum(load, _BUS_SHARE_MAX))


def capped_share() -> float:
    """The share of time beyond which a bus does not get busier."""
    return _BUS_SHARE_MAX


def access_penalty(p: Mapping[str, float], slow: Floats, cap: Floats) -> Floats:
    """How much longer accesses take where slow memory serves the share ``slow`` of them."""
    load, fast = bus_load(p), 1.0 - slow
    slower = max(p["slow_ns"] / p["fast_ns"], 1.0)
    time = fast * queueing(load * fast / cap) + slow * slower * queueing(load * slow)
    least = load * slow * p["fast_gbps"] / p["slow_gbps"]
    return np.maximum(time / queueing(np.array(load)), least) - 1.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Lines below the curve of the penalty by the share that slow memory serves.

    The penalty of a share is at least ``slope`` times it, and what the line has at 0.
    """

    penalty: Floats

    @property
    def slopes(self) -> tuple[float, float]:
        """The flattest and the steepest line that touches the curve."""
        steps = np.diff(self.penalty) * (len(_SHARES) - 1)
        return float(steps.min()), float(steps.max())

    def slope_at(self, share: float) -> float:
        """How steep the curve is there."""
        at = round(share * (len(_SHARES) - 1))
        return float(self.penalty[at + 1] - self.penalty[at]) * (len(_SHARES) - 1)

    def touch(self, slope: float) -> tuple[float, float]:
        """What the line of a slope has at 0, and the share at which it touches the curve."""
        above = self.penalty - slope * _SHARES
        lowest = int(above.argmin())
        return float(above[lowest]) - _BETWEEN, float(_SHARES[lowest])


def waiting(p: Mapping[str, float], cap: float) -> Waiting:
    """The curve of a load at one clock."""
    return Waiting(access_penalty(p, _SHARES, np.array(cap)))
