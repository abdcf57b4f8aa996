"""A bound on what any policy can save within a slowdown budget, all accesses known in advance.

Each page is, at each moment, where that is best: the relaxation has no past (memory moves at once
and for nothing), no blocks (any part of one may be anywhere), and averages over the episode what
there is room for. What is left is a knapsack: each cell of memory offers costs and times, and the
time within the budget, together with the rooms, is what there is to spend. Its linear relaxation
is solved in the dual: prices on time and rooms at which each cell takes its best option. Every set
of such prices gives a bound, so that one which is not quite the best is a bound as well.

It charges what the simulator charges for faults, slow memory, huge pages, memory at rest and the
clock (where there is slow memory as well, no time for the clock), and nothing for what moves
memory: CPU time of page-out, of migration, of collapse and of monitoring.

It holds for one tenant that nobody kills, and, unless the host is short of memory from the start,
for policies that leave as much memory online as the load needs: who lets the kernel run short on
purpose pages out by it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from damon_tuner.benchmarks.clairvoyant.bus import Waiting, access_penalty, waiting
from damon_tuner.benchmarks.clairvoyant.cells import Floats, merged
from damon_tuner.benchmarks.clairvoyant.options import (
    FAST,
    NR_ROOMS,
    Allowed,
    Options,
    allowed,
    options,
    room_pages,
)
from damon_tuner.benchmarks.clairvoyant.power import Clock, Rest, clock, rest
from damon_tuner.benchmarks.clairvoyant.record import PAGE_BYTES, Record

_FIRST_SHARES = (0.02, 0.2, 0.5, 0.9)
_CYCLES = 12
_BISECTIONS = 40
_ENOUGH = 1e-7
# So dear, a millionth of a resource costs as much as all memory does: what is beyond is rounding.
_PRICE_MAX = 1e6

# A value at some prices, and how much more of each resource is used there than there is.
_Evaluate = Callable[[Floats], tuple[float, Floats]]


def clairvoyant_saving(record: Record, groups: Collection[str], budget: float) -> float:
    """At most so much of the cost can be saved at a mean slowdown of ``budget``, both shares.

    ``groups`` are the knob groups that a policy has. A slowdown below 0 is a load that runs
    faster than unmanaged; where no policy could reach that, the result is far below 0.

    Raises:
        ValueError: the kernel killed the load, so that its future depends on who manages it.

    """
    if record.oom_kills:
        raise ValueError("memory ran out in this episode, and the load was killed: no bound")
    problem = _problem(record, groups, budget)
    unit = record.cost_unmanaged_byte_s / PAGE_BYTES
    page_s = record.footprint_pages * record.seconds
    sizes = np.array([record.worked_us, *([page_s] * NR_ROOMS)])

    def evaluate(prices: Floats) -> tuple[float, Floats]:
        value, excess = problem.evaluate(prices[:-1] * unit / sizes, float(prices[-1]))
        return value / unit, excess / np.append(sizes, record.worked_us)

    def from_start(steepness: float) -> float:
        return _maximum(evaluate, np.append(np.zeros(len(sizes)), steepness))

    return 1.0 - max(map(from_start, problem.starts()))


def _time_us(record: Record, can: Allowed, budget: float) -> float:
    """Time that may be lost to where memory is, beyond what no policy can avoid."""
    time_us = budget * record.worked_us
    if record.has_twin:
        # the twin's own loss, of which first touches are nobody's choice
        time_us += record.lost_unmanaged_us - record.first_touch_us[can.huge]
    return time_us


@dataclass(frozen=True, slots=True)
class _Problem:
    """Cells with their options, and the power of all memory; ``there`` (1 + NR_ROOMS,).

    ``waits_us`` is the time in which the load waits for memory where all of it is fast. Where slow
    memory serves a part of that, the penalty is a curve, of which a line below is charged:
    ``waiting`` has the curve, or is None where there is no slow memory.
    """

    page_s: Floats
    options: Options
    waits_us: float
    waiting: Waiting | None
    rest: Rest
    clock: Clock | None
    there: Floats

    def evaluate(self, prices: Floats, steepness: float) -> tuple[float, Floats]:
        """The least cost at ``prices`` on time and rooms, and what is used too much.

        ``steepness`` is how much steeper the line is than the flattest. The last of what is
        returned is the time that slow memory serves beyond that for which the line is right.
        """
        slope, at_zero, right_us = self._line(steepness)
        o = self.options
        lost_us = o.lost_us + slope * o.slow_us
        priced = o.cost + prices[0] * lost_us
        for room in np.flatnonzero(prices[1:]):
            priced = priced + prices[1 + room] * o.rooms[room]
        best = priced.argmin(axis=0), np.arange(priced.shape[1])
        used = np.array(
            [
                self.page_s @ lost_us[best] + at_zero,
                *(self.page_s @ room[best] for room in o.rooms),
            ]
        )
        value = float(self.page_s @ priced[best]) + prices[0] * at_zero
        value += self.rest.page_s + self.rest.asleep(prices[1 + FAST], used)
        if self.clock is not None:
            value += self.clock.turned_down(prices[0], used)
        slow_us = float(self.page_s @ o.slow_us[best])
        excess = np.append(used - self.there, slow_us - right_us)
        return float(value - prices @ self.there), excess

    def starts(self) -> list[float]:
        """How steep the line may be at first: a price of time is not found from just anywhere."""
        if self.waiting is None:
            return [0.0]
        flattest, _ = self.waiting.slopes
        # where the load is fastest, and some places around
        slopes = [0.0, *map(self.waiting.slope_at, _FIRST_SHARES)]
        return [max(slope - flattest, 0.0) for slope in slopes]

    def _line(self, steepness: float) -> tuple[float, float, float]:
        if self.waiting is None:
            return 0.0, 0.0, 0.0
        flattest, steepest = self.waiting.slopes
        slope = min(flattest + steepness, steepest)
        at_zero, share = self.waiting.touch(slope)
        return slope, at_zero * self.waits_us, share * self.waits_us


def _problem(record: Record, groups: Collection[str], budget: float) -> _Problem:
    can = allowed(record, groups)
    p = record.parameters
    kept = merged(
        record.cells,
        bloat=can.huge,
        load=p["energy_price"] > 0.0,
        us_per_access=can.huge or can.slow,
    )
    waits_us = float(record.busy_threads.sum()) * record.tick_s * 1e6 * p["memory_bound_share"]
    cap = 1.0 if can.power else p["clock_cap"]
    time_us = _time_us(record, can, budget)
    if not can.slow:
        time_us -= waits_us * float(access_penalty(p, np.array(0.0), np.array(cap)))
    return _Problem(
        page_s=kept.page_s,
        options=options(p, kept, can),
        waits_us=waits_us,
        waiting=waiting(p, cap) if can.slow else None,
        rest=rest(record, power=can.power),
        clock=clock(record, slow=can.slow) if can.power else None,
        there=np.array([time_us, *(room_pages(record) * record.seconds)]),
    )


def _maximum(evaluate: _Evaluate, prices: Floats) -> float:
    """The highest value of a function of prices of at least 0, from some on, or close below it.

    One price after the other is brought to where its resource is just used up.
    """
    best, _ = evaluate(prices)
    for _ in range(_CYCLES):
        before = best
        for index in range(len(prices)):
            best = _raise(evaluate, prices, index, best)
        if best - before <= _ENOUGH * abs(best):
            break
    return float(best)


def _raise(evaluate: _Evaluate, prices: Floats, index: int, best: float) -> float:
    """Set one of ``prices`` to its best; returns the value there."""

    def at(price: float) -> tuple[float, float]:
        trial = prices.copy()
        trial[index] = price
        value, excess = evaluate(trial)
        return value, float(excess[index])

    tried = [(best, float(prices[index]))]
    low, high = 0.0, max(float(prices[index]), 1e-6)
    value, excess = at(0.0)
    tried.append((value, 0.0))
    if excess > 0.0:
        while (step := at(high))[1] > 0.0 and high < _PRICE_MAX:
            tried.append((step[0], high))
            low, high = high, high * 8.0
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            value, excess = at(middle)
            tried.append((value, middle))
            low, high = (middle, high) if excess > 0.0 else (low, middle)
    best, prices[index] = max(tried)
    return best
