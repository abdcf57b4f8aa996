"""Quotas that are taken away from a scheme that runs.

Linux 6.18 keeps the last effective quota of such a scheme, and never gives it another window: it
stands still for ever. What once had a limit therefore gets one that is none.
"""

from __future__ import annotations

from dataclasses import replace

from damon_tuner.kernel_iface.host import KdamondSpec, Quota, Scheme

_NO_LIMIT_BYTES = 1 << 62
_USUAL_RESET_INTERVAL_MS = 1_000


def limited(spec: KdamondSpec) -> set[int]:
    """Return which schemes have a limit of any kind, by index."""
    return {index for index, scheme in enumerate(spec.schemes) if _is_limited(scheme.quota)}


def as_good_as_unlimited(scheme: Scheme) -> Scheme:
    """Return the scheme, with a limit that it cannot reach where it has none."""
    if _is_limited(scheme.quota):
        return scheme
    interval_ms = scheme.quota.reset_interval_ms or _USUAL_RESET_INTERVAL_MS
    quota = replace(scheme.quota, sz_bytes=_NO_LIMIT_BYTES, reset_interval_ms=interval_ms)
    return replace(scheme, quota=quota)


def _is_limited(quota: Quota) -> bool:
    return bool(quota.sz_bytes or quota.time_ms or quota.goals)
