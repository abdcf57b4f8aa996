"""What a host's fast memory takes beside what is in use: at rest, asleep, and with its clock down.

Costs are in pages of fast memory, times seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from damon_tuner.benchmarks.clairvoyant.bus import access_penalty, bus_load, capped_share
from damon_tuner.benchmarks.clairvoyant.cells import Floats, split
from damon_tuner.benchmarks.clairvoyant.record import Record

# of the used resources, as the bound has them: time, and fast memory
_TIME, _FAST = 0, 1
_CAP_MIN = 0.1
_NR_CAPS = 24
# busy threads over the price of the power that a clock could save
_RATIOS: Floats = np.concatenate([[0.0], 1e-12 * 1.2 ** np.arange(250)])


def price_per_mw(p: Mapping[str, float]) -> float:
    """Price of a milliwatt for each GiB, over that of the GiB itself."""
    return p["energy_price"] * 1e-3


def rest_mw_per_gib(p: Mapping[str, float]) -> float:
    """Power of memory that nothing is in, but that is awake."""
    return p["standby_mw_per_gib" if p["interleaved"] >= 0.5 else "powerdown_mw_per_gib"]


def used_mw_per_gib(p: Mapping[str, float]) -> float:
    """What memory in use takes beyond that on a host whose CPUs are all busy."""
    return p["active_mw_per_gib"] - rest_mw_per_gib(p)


def clock_power(p: Mapping[str, float], *, free: bool) -> float:
    """Share of the power at the clock that the host has by itself; 1 where it can be set."""
    return 1.0 if free else 1.0 - p["clock_power_share"] * (1.0 - p["clock_cap"])


@dataclass(frozen=True, slots=True)
class Rest:
    """Power of all memory at rest, ``page_s``, and of the part that could sleep."""

    page_s: float
    sleeping_page_s: float
    won: float

    def asleep(self, fast_price: float, used: Floats) -> float:
        """What sleep wins, negative, where room in fast memory has a price; adds to ``used``."""
        gain = self.won - fast_price
        if gain <= 0.0:
            return 0.0
        used[_FAST] += self.sleeping_page_s
        return -gain * self.sleeping_page_s


def rest(record: Record, *, power: bool) -> Rest:
    """Whole ranks sleep whose blocks are all offline: as many as blocks can be moved."""
    p = record.parameters
    fast = p["memory_ratio"] * record.footprint_pages
    gib = fast / 2**18
    price = price_per_mw(p)
    awake = fast * rest_mw_per_gib(p) * price * clock_power(p, free=power)
    sleeping = 0.0
    if power and p["interleaved"] < 0.5:
        block_gib = p["memory_block_mib"] / 1024.0
        movable = math.floor(math.floor(gib / block_gib) * (1.0 - p["unmovable_share"]))
        rank_gib = gib / p["ranks"]
        sleeping = math.floor(movable * block_gib / rank_gib) * rank_gib * 2**18
    won = (rest_mw_per_gib(p) - p["self_refresh_mw_per_gib"]) * price
    return Rest(awake * record.seconds, sleeping * record.seconds, won)


def _caps(p: Mapping[str, float], *, slow: bool) -> tuple[Floats, Floats]:
    """Caps, and penalties that stand for all caps between them as well.

    The penalty is convex in the cap until the bus is as busy as it can be: between two caps it is
    above both tangents, so that the point where they meet is better than any cap there. Where slow
    memory may serve everything, the fast one's clock may cost nothing.
    """
    load = bus_load(p)
    if load <= 0.0 or slow:
        return np.array([_CAP_MIN, 1.0]), np.zeros(2)
    lowest, none = np.array([_CAP_MIN]), np.array(0.0)
    caps = np.linspace(max(_CAP_MIN, load / capped_share()), 1.0, _NR_CAPS)
    penalty = access_penalty(p, none, caps)
    slope = -(1.0 - load) * load / (caps - load) ** 2
    at_zero = penalty - slope * caps
    meet = -np.diff(at_zero) / np.diff(slope)
    below = slope[:-1] * meet + at_zero[:-1]
    return (
        np.concatenate([lowest, caps, meet]),
        np.concatenate([access_penalty(p, none, lowest), penalty, below]),
    )


@dataclass(frozen=True, slots=True)
class Clock:
    """What capping the clock wins and costs, at every moment the best cap of all.

    ``price_s`` (ratios,) is the price of the power that follows the clock, by how many threads
    are busy for it; ``lost_us`` (ratios, caps) and ``won`` (caps,) are for a price of 1.
    """

    price_s: Floats
    lost_us: Floats
    won: Floats

    def turned_down(self, time_price: float, used: Floats) -> float:
        """What it wins in all, negative, where time has a price; adds to ``used``."""
        priced = time_price * self.lost_us - self.won
        best = np.arange(len(priced)), priced.argmin(axis=1)
        used[_TIME] += self.price_s @ self.lost_us[best]
        return float(self.price_s @ priced[best])


def clock(record: Record, *, slow: bool) -> Clock:
    """What the clock could save where all that the load has mapped is in fast memory."""
    p = record.parameters
    fast = p["memory_ratio"] * record.footprint_pages
    in_use = np.minimum(record.mapped_pages, fast) * record.load
    power = fast * rest_mw_per_gib(p) + in_use * used_mw_per_gib(p)
    price = np.maximum(power * price_per_mw(p), 1e-12)
    below, above = split(record.busy_threads / price, _RATIOS)
    price_s = np.zeros(len(_RATIOS))
    np.add.at(price_s, below, price * (1.0 - above) * record.tick_s)
    np.add.at(price_s, below + 1, price * above * record.tick_s)
    caps, penalties = _caps(p, slow=slow)
    there = price_s > 0.0
    lost_us = np.outer(_RATIOS[there], penalties) * 1e6 * p["memory_bound_share"]
    return Clock(price_s[there], lost_us, p["clock_power_share"] * (1.0 - caps))
