"""Static policies: what an administrator would set once and leave."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Intervals,
    Quota,
    Scheme,
    Snapshot,
    WatermarkMetric,
    Watermarks,
)
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import MONITORING, Decision, GuardLimits

PAGE_BYTES = 4096
_RESET_INTERVAL_MS = 1_000


class StaticPolicy:
    """The same ``schemes`` whatever is observed."""

    def __init__(self, name: str, schemes: tuple[Scheme, ...]) -> None:
        self.name = name
        self.schemes = schemes

    def decide(self, snapshot: Snapshot) -> Decision:
        """Decide as always."""
        return Decision(
            plan=Plan(self.schemes),
            knobs={},
            reasons=(),
            observation=(),
            action=(),
            slowdown=float("nan"),
        )


def damon_reclaim(intervals: Intervals = MONITORING.intervals) -> Scheme:
    """DAMON_RECLAIM with its default parameters (Linux 7.3), as a scheme."""
    return Scheme(
        action=Action.PAGEOUT,
        pattern=AccessPattern(
            min_sz_bytes=PAGE_BYTES,
            max_nr_accesses=0,
            min_age=120_000_000 // intervals.aggr_us,
        ),
        quota=Quota(
            time_ms=10,
            sz_bytes=128 << 20,
            reset_interval_ms=1_000,
            weight_age_permille=1,
        ),
        watermarks=Watermarks(
            metric=WatermarkMetric.FREE_MEM_RATE,
            interval_us=5_000_000,
            high_permille=500,
            mid_permille=400,
            low_permille=200,
        ),
    )


def page_out_after(idle_s: float, intervals: Intervals = MONITORING.intervals) -> Scheme:
    """Page out whatever was idle for ``idle_s`` seconds, without a quota."""
    return Scheme(
        action=Action.PAGEOUT,
        pattern=AccessPattern(
            min_sz_bytes=PAGE_BYTES,
            max_nr_accesses=0,
            min_age=round(idle_s * 1e6) // intervals.aggr_us,
        ),
    )


STATIC_POLICIES: Mapping[str, StaticPolicy] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            StaticPolicy("none", ()),
            StaticPolicy("damon_reclaim", (damon_reclaim(),)),
            StaticPolicy("pageout_5s", (page_out_after(5.0),)),
            StaticPolicy("pageout_30s", (page_out_after(30.0),)),
        )
    }
)
"""By name, in the order in which they are reported."""


def within(
    schemes: Sequence[Scheme], limits: GuardLimits, intervals: Intervals
) -> tuple[Scheme, ...]:
    """Return ``schemes`` as limits allow them: no younger memory, no larger quota."""
    return tuple(_within(scheme, limits, intervals) for scheme in schemes)


def _within(scheme: Scheme, limits: GuardLimits, intervals: Intervals) -> Scheme:
    youngest = math.ceil(limits.min_age_s * 1e6 / intervals.aggr_us)
    pattern = replace(scheme.pattern, min_age=max(scheme.pattern.min_age, youngest))
    interval_ms = scheme.quota.reset_interval_ms or _RESET_INTERVAL_MS
    most = int(limits.max_quota_bytes_per_s * interval_ms / 1e3)
    quota = replace(
        scheme.quota,
        sz_bytes=min(scheme.quota.sz_bytes or most, most),
        reset_interval_ms=interval_ms,
    )
    return replace(scheme, pattern=pattern, quota=quota)
