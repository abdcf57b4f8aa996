"""Where memory may be, what that costs, and what time it takes: as the simulator charges it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from damon_tuner.benchmarks.clairvoyant.cells import Cells, Floats
from damon_tuner.benchmarks.clairvoyant.power import clock_power, price_per_mw, used_mw_per_gib
from damon_tuner.benchmarks.clairvoyant.record import Record

_THP_ALWAYS = 2
# what takes huge pages apart pages out, too
_PAGING_OUT = frozenset({"reclaim", "thp"})
FAST, SLOW, POOL, SWAP = range(4)
"""What a host has only so much of; compressed pages are in the pool, and in fast memory."""
NR_ROOMS = 4


@dataclass(frozen=True, slots=True)
class _Row:
    """One option, each array by cell."""

    cost: Floats
    lost_us: Floats
    rooms: Mapping[int, Floats]


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which places there are for memory on a host, and for a policy.

    ``together`` is set where neither pool nor swap can run full: what is paged out then lies in
    both of them as its pages compress. Else each page counts as free to choose.
    """

    slow: bool
    huge: bool
    pool: bool
    swap: bool
    together: bool
    storage: bool
    power: bool


def allowed(record: Record, groups: Collection[str]) -> Allowed:
    """What a policy with these knob groups may do, and the kernel by itself for want of memory."""
    p = record.parameters
    short = p["memory_ratio"] * (1.0 - p["low_wmark_permille"] / 1e3) < 1.0
    out = short or not _PAGING_OUT.isdisjoint(groups)
    pool, swap = (room_pages(record)[room] / record.footprint_pages for room in (POOL, SWAP))
    incompressible = p["incompressible_share"]
    return Allowed(
        slow=p["slow_ratio"] > 0.0 and (short or "tiering" in groups),
        huge="thp" in groups or round(p["thp_mode"]) == _THP_ALWAYS,
        pool=out and pool > 0.0,
        swap=out and swap > 0.0,
        together=out and pool > 0.0 and pool >= 1.0 - incompressible and swap >= incompressible,
        storage=out,
        power="power" in groups,
    )


def room_pages(record: Record) -> Floats:
    """Pages of fast and slow memory, of pool and swap, shape (NR_ROOMS,)."""
    p, pages = record.parameters, record.footprint_pages
    fast = p["memory_ratio"] * pages
    return np.array(
        [fast, p["slow_ratio"] * pages, p["pool_share"] * fast, p["swap_ratio"] * fast]
    )


@dataclass(frozen=True, slots=True)
class Options:
    """By option and cell; what a cell cannot do costs infinity.

    ``cost`` is in pages of fast memory and ``lost_us`` in microseconds a second, both for a
    touched page. ``slow_us`` are microseconds that wait for memory and are served by the slow one.
    ``rooms`` (NR_ROOMS, options, cells) is how much of each room it takes.
    """

    cost: Floats
    lost_us: Floats
    slow_us: Floats
    rooms: Floats


def options(p: Mapping[str, float], cells: Cells, can: Allowed) -> Options:
    """Every way to hold each of the cells on a host with the parameters ``p``."""
    zero = np.zeros_like(cells.page_s)
    used = used_mw_per_gib(p) * price_per_mw(p) * clock_power(p, free=can.power)
    fast_price = 1.0 + used * cells.load
    rows = [_Row(fast_price, zero, {FAST: zero + 1})]
    if can.slow:
        rows.append(_Row(zero + p["slow_price"], zero, {SLOW: zero + 1}))
    if can.huge:
        rows += _huge(p, cells, can, fast_price)
    rows += _out(p, cells, can, fast_price)
    rooms = np.zeros((NR_ROOMS, len(rows), len(zero)))
    for option, row in enumerate(rows):
        for room, amount in row.rooms.items():
            rooms[room, option] = amount
    waits_us = cells.rate_hz * cells.us_per_access * p["memory_bound_share"]
    return Options(
        cost=np.array([row.cost for row in rows]),
        lost_us=np.array([row.lost_us for row in rows]),
        slow_us=np.array([waits_us if SLOW in row.rooms else zero for row in rows]),
        rooms=rooms,
    )


def _huge(p: Mapping[str, float], cells: Cells, can: Allowed, fast_price: Floats) -> list[_Row]:
    """Huge pages win what translation takes, and hold what nobody touched."""
    won_us = cells.rate_hz * cells.us_per_access * p["tlb_share"]
    held = np.where(cells.is_file, np.inf, 1.0 + cells.bloat)
    taken = 1.0 + cells.bloat
    rows = [_Row(held * fast_price, -won_us, {FAST: taken})]
    if can.slow:
        rows.append(_Row(held * p["slow_price"], -won_us, {SLOW: taken}))
    return rows


def _out(p: Mapping[str, float], cells: Cells, can: Allowed, fast_price: Floats) -> list[_Row]:
    """A page that is out comes back by a fault as soon as it is accessed."""
    anonymous = np.where(cells.is_file, np.inf, 1.0)
    in_pool = 1.0 / p["compression_ratio"]
    pool_us, swap_us = (cells.rate_hz * p[f"{where}_in_us"] for where in ("compressed", "swap"))
    one = np.ones_like(fast_price)
    rows: list[_Row] = []
    if can.together:
        swapped = p["incompressible_share"]
        pooled = 1.0 - swapped
        cost = anonymous * (pooled * in_pool * fast_price + swapped * p["swap_price"])
        taken = {FAST: one * pooled * in_pool, POOL: one * pooled, SWAP: one * swapped}
        rows.append(_Row(cost, pooled * pool_us + swapped * swap_us, taken))
    elif can.pool:
        taken = {FAST: one * in_pool, POOL: one}
        rows.append(_Row(anonymous * in_pool * fast_price, pool_us, taken))
    if can.swap and not can.together:
        rows.append(_Row(anonymous * p["swap_price"], swap_us, {SWAP: one}))
    if can.storage:
        rows.append(_Row(np.where(cells.is_file, 0.0, np.inf), swap_us, {}))
    return rows
