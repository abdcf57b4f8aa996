"""Page-out after a fixed idle time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from damon_tuner.kernel_iface.host import Action, Scheme
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import MONITORING
from damon_tuner.policies.rules.rule import FixedRule, Span, age_of, idle_for


@dataclass(frozen=True, slots=True)
class PageOut(FixedRule):
    """Page out whatever was idle for ``idle_s`` seconds, without a quota.

    Source: the scheme "prcl" of DAMON's own evaluation pages out after 5 s (github.com/awslabs/
    damon-tests, perf/schemes).
    """

    idle_s: float

    space: ClassVar = {"idle_s": Span(2.0, 300.0)}

    @property
    def plan(self) -> Plan:
        """One page-out."""
        pattern = idle_for(age_of(self.idle_s, MONITORING.intervals))
        return Plan((Scheme(Action.PAGEOUT, pattern),))
