"""SK hynix's HMSDK: two tiers by age and access rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Filter,
    FilterType,
    Quota,
    Scheme,
)
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import MONITORING
from damon_tuner.policies.rules.rule import (
    PAGE_BYTES,
    FixedRule,
    Span,
    age_of,
    idle_for,
    samples_of,
)

_APPLY_INTERVAL_US = 2_000_000
_RESET_INTERVAL_MS = 20_000
_SZ_BYTES = 50 << 30
# 1 %, with nothing for sizes and accesses: by age alone
_WEIGHT_AGE_PERMILLE = 10


@dataclass(frozen=True, slots=True)
class Hmsdk(FixedRule):
    """Demote what was idle for 30 s, promote what is accessed in 5 % of the samples.

    Source: tools/gen_migpol.py of HMSDK's capacity expansion (github.com/skhynix/hmsdk): quotas of
    1 s and 2 s of time and of 50 GB every 20 s, by age; pages that are young now are not demoted,
    only they are promoted. It monitors at 100 ms and 2 s with 100 to 10,000 regions a node; here
    monitoring is as for everybody, and schemes are applied every 2 s as there.
    """

    cold_age_s: float = 30.0
    hot_share: float = 0.05

    space: ClassVar = {"cold_age_s": Span(1.0, 300.0), "hot_share": Span(0.05, 1.0)}
    groups: ClassVar = ("tiering",)

    @property
    def plan(self) -> Plan:
        """One promotion and one demotion."""
        intervals = MONITORING.intervals
        return Plan(
            promote=Scheme(
                action=Action.MIGRATE_HOT,
                pattern=AccessPattern(
                    min_sz_bytes=PAGE_BYTES,
                    min_nr_accesses=samples_of(self.hot_share, intervals),
                ),
                quota=_quota(time_ms=2_000),
                apply_interval_us=_APPLY_INTERVAL_US,
                filters=(Filter(FilterType.YOUNG, matching=False, allow=False),),
            ),
            demote=Scheme(
                action=Action.MIGRATE_COLD,
                pattern=idle_for(age_of(self.cold_age_s, intervals)),
                quota=_quota(time_ms=1_000),
                apply_interval_us=_APPLY_INTERVAL_US,
                filters=(Filter(FilterType.YOUNG, matching=True, allow=False),),
            ),
        )


def _quota(time_ms: int) -> Quota:
    return Quota(
        time_ms=time_ms,
        sz_bytes=_SZ_BYTES,
        reset_interval_ms=_RESET_INTERVAL_MS,
        weight_age_permille=_WEIGHT_AGE_PERMILLE,
    )
