"""DAMON_RECLAIM, the kernel's own module for proactive reclaim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from damon_tuner.kernel_iface.host import (
    Action,
    Quota,
    Scheme,
    WatermarkMetric,
    Watermarks,
)
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import MONITORING
from damon_tuner.policies.rules.rule import MIB, FixedRule, Span, age_of, idle_for

_MID_BELOW_HIGH_PERMILLE = 100


@dataclass(frozen=True, slots=True)
class DamonReclaim(FixedRule):
    """DAMON_RECLAIM as a scheme of one process; the defaults are those of its parameters.

    Source: Documentation/admin-guide/mm/damon/reclaim.rst of Linux 7.3 (min_age, quota_ms,
    quota_sz, quota_reset_interval_ms, wmarks_*). Its watermarks let it sleep while more than half
    of the host's memory is free.
    """

    min_age_s: float = 120.0
    quota_sz_bytes: float = 128 * MIB
    high_permille: float = 500.0

    space: ClassVar = {
        "min_age_s": Span(2.0, 300.0),
        "quota_sz_bytes": Span(MIB, 4096 * MIB),
        "high_permille": Span(500.0, 1000.0, is_log=False),
    }

    @property
    def plan(self) -> Plan:
        """One page-out, with time and size quotas and watermarks."""
        high = round(self.high_permille)
        return Plan(
            (
                Scheme(
                    action=Action.PAGEOUT,
                    pattern=idle_for(age_of(self.min_age_s, MONITORING.intervals)),
                    quota=Quota(
                        time_ms=10,
                        sz_bytes=round(self.quota_sz_bytes),
                        reset_interval_ms=1_000,
                        weight_age_permille=1,
                    ),
                    watermarks=Watermarks(
                        metric=WatermarkMetric.FREE_MEM_RATE,
                        interval_us=5_000_000,
                        high_permille=high,
                        mid_permille=high - _MID_BELOW_HIGH_PERMILLE,
                        low_permille=200,
                    ),
                ),
            )
        )
