"""The cold-age controller of software-defined far memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from damon_tuner.kernel_iface.host import Action, Scheme, Snapshot
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import Decision, Policy
from damon_tuner.policies.rules.access_history import Access, AccessHistory
from damon_tuner.policies.rules.rule import AdaptiveRule, Span, decision_of, idle_for

_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class ColdAgePercentile(AdaptiveRule):
    """Page out what is older than an age at which little would have come back.

    Each minute tells the lowest age at which no more than ``promotion_rate_per_min`` of the
    working set would have been accessed again. The ``percentile`` of all minutes is in force for
    the next one, or the last minute's where that is higher. Nothing happens in the first
    ``warmup_s``.

    Source: Lagar-Cavilla et al., Software-Defined Far Memory in Warehouse-Scale Computers (ASPLOS
    2019): 0.2 % of the working set a minute at the 98th percentile, ages from 120 s, the working
    set being what was accessed within that age. Its warm-up is not published. There each page has
    an age; here ages are those of DAMON's regions, of which all counts as accessed if any is.
    """

    promotion_rate_per_min: float = 0.002
    percentile: float = 98.0
    min_age_s: float = 120.0
    warmup_s: float = 120.0

    space: ClassVar = {
        "promotion_rate_per_min": Span(2e-4, 0.5),
        "percentile": Span(50.0, 100.0, is_log=False),
        "min_age_s": Span(3.0, 120.0),
        "warmup_s": Span(5.0, 300.0),
    }

    def policy(self, budget: float) -> Policy:
        """Return the controller of one tenant; its promotion rate stands for the budget."""
        return _Controller(self)


class _Controller:
    def __init__(self, rule: ColdAgePercentile) -> None:
        self._rule = rule
        self._history = AccessHistory()
        self._watched_s = self._minute_s = 0.0
        self._accesses: list[Access] = []
        # the lowest age of each minute that would have kept to the promotion rate
        self._lowest: list[float] = []
        self._age_s = math.inf

    def decide(self, snapshot: Snapshot) -> Decision:
        """Take in a snapshot, and at the end of each minute choose the age for the next."""
        self._accesses += self._history.update(snapshot, self._acted_age_s)
        self._watched_s += self._history.elapsed_s
        self._minute_s += self._history.elapsed_s
        if self._minute_s >= _MINUTE_S:
            self._end_minute()
        if math.isinf(self._acted_age_s):
            return decision_of(Plan())
        pattern = idle_for(math.ceil(self._age_s * 1e6 / snapshot.intervals.aggr_us))
        return decision_of(Plan((Scheme(Action.PAGEOUT, pattern),)), {"min_age_s": self._age_s})

    @property
    def _acted_age_s(self) -> float:
        """The age in force, none during the warm-up."""
        return self._age_s if self._watched_s >= self._rule.warmup_s else math.inf

    def _end_minute(self) -> None:
        rule = self._rule
        working_set = sum(p.bytes for p in self._history.pieces if p.idle_s < rule.min_age_s)
        allowed = rule.promotion_rate_per_min * working_set * self._minute_s / _MINUTE_S
        lowest = max(_lowest_age_s(self._accesses, allowed), rule.min_age_s)
        self._lowest.append(lowest)
        self._age_s = max(_percentile(self._lowest, rule.percentile), lowest)
        self._accesses, self._minute_s = [], 0.0


def _lowest_age_s(accesses: Sequence[Access], allowed_bytes: float) -> float:
    """The lowest age beyond which no more than ``allowed_bytes`` were accessed again."""
    again = 0.0
    for access in sorted(accesses, key=lambda a: -a.idle_s):
        again += access.bytes
        if again > allowed_bytes:
            # what was idle for exactly so long would have been out
            return math.nextafter(access.idle_s, math.inf)
    return 0.0


def _percentile(values: Sequence[float], percentile: float) -> float:
    """The nearest-rank percentile, of one value or more."""
    rank = math.ceil(percentile / 100.0 * len(values))
    return sorted(values)[max(rank, 1) - 1]
