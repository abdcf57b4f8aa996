"""Page-out without thresholds: moving averages of use, and what a fault costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    Action,
    Filter,
    FilterType,
    Scheme,
    Snapshot,
)
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import Decision, Policy
from damon_tuner.policies.rules.access_history import AccessHistory, Piece
from damon_tuner.policies.rules.rule import PAGE_BYTES, AdaptiveRule, Span, decision_of, idle_for

# DAMON needs some aggregations to tell idle from lucky.
_YOUNGEST_S = 2.0
# What a scheme may name of addresses to leave alone.
_MOST_PROTECTED = 8
# The estimate of faults is corrected by what was seen: at once where there were more of them, and
# little by little where there were fewer, which may be luck.
_LEAST_RATIO, _MOST_RATIO = 0.9, 64.0
_LEAST_CORRECTION, _MOST_CORRECTION = 1e-6, 1e3


@dataclass(frozen=True, slots=True)
class MovingAverages(AdaptiveRule):
    """Page out, the least used first, for as long as the faults to expect are within the budget.

    Each piece of memory has a short and a long average of how often it was accessed; the higher of
    them is how soon it is expected back, and that is at least as soon as it was idle for. A byte
    saves the same wherever it is and a fault costs time, so the budget is spent on what is
    expected back last. How many faults came of it corrects the next estimate. There is no age and
    no heat to set.

    Source: the short and long averages and the cost-benefit test without thresholds of ARMS
    (Adaptive and Robust Memory Tiering, 2025), which promotes and demotes; here carried over to
    page-out.
    """

    short_s: float = 10.0
    long_s: float = 300.0
    budget_share: float = 1.0

    space: ClassVar = {
        "short_s": Span(5.0, 60.0),
        "long_s": Span(20.0, 600.0),
        "budget_share": Span(0.05, 5.0),
    }

    def policy(self, budget: float) -> Policy:
        """Return who spends ``budget`` (a share of the tenant's CPU time) for one tenant."""
        return _Spender(self, budget)


class _Spender:
    def __init__(self, rule: MovingAverages, budget: float) -> None:
        self._history = AccessHistory((rule.short_s, rule.long_s))
        self._budget = budget * rule.budget_share
        self._before: Snapshot | None = None
        self._correction = 1.0
        self._expected_us_per_s = 0.0
        self._min_age_s = math.inf

    def decide(self, snapshot: Snapshot) -> Decision:
        """Spend the budget on what is expected back last."""
        before, self._before = self._before, snapshot
        self._history.update(snapshot, self._min_age_s)
        elapsed_s = self._history.elapsed_s
        if before is None or elapsed_s <= 0.0:
            return decision_of(Plan())
        cpu_us_per_s = (snapshot.cpu_time_us - before.cpu_time_us) / elapsed_s
        allowed = self._budget * max(cpu_us_per_s, _core.MIN_WORKED_SHARE * 1e6)
        faults = snapshot.major_faults - before.major_faults
        self._correct(faults * snapshot.swap_in_us / elapsed_s, allowed)
        return self._spend(snapshot, allowed, elapsed_s)

    def _correct(self, seen_us_per_s: float, allowed: float) -> None:
        # where nothing was dared, only a lower estimate leads on
        expected = self._expected_us_per_s or allowed
        # without the small part, no faults would be infinitely fewer than expected
        small = 0.05 * allowed
        ratio = (seen_us_per_s + small) / (expected + small)
        ratio = min(max(ratio, _LEAST_RATIO), _MOST_RATIO)
        self._correction = min(max(self._correction * ratio, _LEAST_CORRECTION), _MOST_CORRECTION)

    def _spend(self, snapshot: Snapshot, allowed: float, elapsed_s: float) -> Decision:
        us_per_byte = self._correction * snapshot.swap_in_us / PAGE_BYTES
        idle = [
            (_accesses_per_s(piece, elapsed_s) * piece.bytes * us_per_byte, piece)
            for piece in self._history.pieces
            if piece.idle_s >= _YOUNGEST_S
        ]
        idle.sort(key=lambda entry: entry[0] / entry[1].bytes)
        self._expected_us_per_s, nr_chosen = 0.0, 0
        for expected, _ in idle:
            if self._expected_us_per_s + expected > allowed:
                break
            self._expected_us_per_s += expected
            nr_chosen += 1
        if not nr_chosen:
            self._min_age_s = math.inf
            return decision_of(Plan())
        self._min_age_s = min(piece.idle_s for _, piece in idle[:nr_chosen])
        spared = [entry for entry in idle[nr_chosen:] if entry[1].idle_s >= self._min_age_s]
        spared.sort(key=lambda entry: -entry[0])
        scheme = Scheme(
            action=Action.PAGEOUT,
            pattern=idle_for(int(self._min_age_s * 1e6) // snapshot.intervals.aggr_us),
            filters=_leave_alone([piece for _, piece in spared[:_MOST_PROTECTED]]),
        )
        return decision_of(Plan((scheme,)), {"min_age_s": self._min_age_s})


def _accesses_per_s(piece: Piece, elapsed_s: float) -> float:
    return max(max(piece.averages) / elapsed_s, 1.0 / piece.idle_s)


def _leave_alone(pieces: Sequence[Piece]) -> tuple[Filter, ...]:
    return tuple(
        Filter(FilterType.ADDR, matching=True, allow=False, addr_start=p.start, addr_end=p.end)
        for p in sorted(pieces, key=lambda p: p.start)
    )
