"""The kernel's recipe for two tiers: one kdamond a node, tuned by how full the fast one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Filter,
    FilterType,
    GoalMetric,
    Quota,
    QuotaGoal,
    Scheme,
)
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import MONITORING
from damon_tuner.policies.rules.rule import MIB, FixedRule, Span, samples_of


@dataclass(frozen=True, slots=True)
class TieringGoals(FixedRule):
    """Promote what is accessed until the fast node is full, demote what is not until some is free.

    Source: scripts/mem_tier.sh of damo (github.com/damonitor/damo) and samples/damon/mtier.c of
    Linux 7.3: goals of 99.7 % used and 0.5 % free, which overlap, so that pages keep changing
    places; 200 MB/s each, applied and tuned once a second; young pages only, and none of them. The
    recipe also lets DAMON tune its intervals; here they are as for everybody.
    """

    used_bp: float = 9_970.0
    free_bp: float = 50.0
    quota_bytes_per_s: float = 200 * MIB
    hot_share: float = 0.05

    space: ClassVar = {
        "used_bp": Span(5_000.0, 9_990.0, is_log=False),
        "free_bp": Span(10.0, 5_000.0),
        "quota_bytes_per_s": Span(MIB, 2048 * MIB),
        "hot_share": Span(0.05, 1.0),
    }
    groups: ClassVar = ("tiering",)

    @property
    def plan(self) -> Plan:
        """One promotion and one demotion."""
        least = samples_of(self.hot_share, MONITORING.intervals)
        return Plan(
            promote=Scheme(
                action=Action.MIGRATE_HOT,
                pattern=AccessPattern(min_nr_accesses=least),
                quota=self._quota(GoalMetric.NODE_MEM_USED_BP, self.used_bp),
                apply_interval_us=1_000_000,
                filters=(Filter(FilterType.YOUNG, matching=True, allow=True),),
            ),
            demote=Scheme(
                action=Action.MIGRATE_COLD,
                pattern=AccessPattern(max_nr_accesses=0),
                quota=self._quota(GoalMetric.NODE_MEM_FREE_BP, self.free_bp),
                apply_interval_us=1_000_000,
                filters=(Filter(FilterType.YOUNG, matching=True, allow=False),),
            ),
        )

    def _quota(self, metric: GoalMetric, target_bp: float) -> Quota:
        return Quota(
            sz_bytes=round(self.quota_bytes_per_s),
            reset_interval_ms=1_000,
            goals=(QuotaGoal(metric, round(target_bp)),),
        )
