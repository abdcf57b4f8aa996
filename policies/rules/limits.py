"""Fixed schemes within limits that an operator has set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from damon_tuner.kernel_iface.host import Intervals, Scheme
from damon_tuner.policies.decision import GuardLimits

_RESET_INTERVAL_MS = 1_000


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
