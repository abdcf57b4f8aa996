"""Page-out whose quota the kernel tunes by memory pressure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from damon_tuner.kernel_iface.host import (
    Action,
    GoalMetric,
    GoalTuner,
    Quota,
    QuotaGoal,
    Scheme,
)
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import MONITORING
from damon_tuner.policies.rules.rule import MIB, FixedRule, Span, age_of, idle_for


@dataclass(frozen=True, slots=True)
class PsiGoals(FixedRule):
    """Page out as much, coldest first, as keeps memory pressure at a target.

    Sources: 500 us of "some" memory pressure a second, looked at once a second, is the example of
    damo's page on quotas that tune themselves (github.com/damonitor/damo). Memory idle for 5 s,
    weighed 300 : 700 by accesses and age, is the scheme to which DAMON's evaluation adds such a
    goal (github.com/awslabs/damon-tests, perf/schemes/pdarc_auto.json; its goal is 1 % of
    pressure). The cap is DAMON_RECLAIM's; without one, the temporal tuner takes all in its first
    interval.
    """

    tuner: GoalTuner
    target_us_per_s: float = 500.0
    min_age_s: float = 5.0
    cap_bytes_per_s: float = 128 * MIB

    space: ClassVar = {
        "target_us_per_s": Span(10.0, 100_000.0),
        "min_age_s": Span(2.0, 300.0),
        "cap_bytes_per_s": Span(MIB, 4096 * MIB),
    }

    @property
    def plan(self) -> Plan:
        """One page-out with a goal."""
        return Plan(
            (
                Scheme(
                    action=Action.PAGEOUT,
                    pattern=idle_for(age_of(self.min_age_s, MONITORING.intervals)),
                    quota=Quota(
                        sz_bytes=round(self.cap_bytes_per_s),
                        reset_interval_ms=1_000,
                        weight_nr_accesses_permille=300,
                        weight_age_permille=700,
                        goal_tuner=self.tuner,
                        goals=(
                            QuotaGoal(GoalMetric.SOME_MEM_PSI_US, round(self.target_us_per_s)),
                        ),
                    ),
                ),
            )
        )
