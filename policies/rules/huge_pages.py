"""Huge pages for all memory, for none, or where they are used.

``transparent_hugepage/enabled`` is the host's. A rule that changed it would be compared with an
unmanaged host on which it is changed too; so what the switch does to everybody, these rules do to
one tenant by advice, beside the same unmanaged host as every other rule. Advice makes nothing huge
where the switch says never; collapse does, as in the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from damon_tuner.kernel_iface.host import AccessPattern, Action, Scheme
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import MONITORING
from damon_tuner.policies.rules.rule import (
    HUGE_PAGE_BYTES,
    FixedRule,
    Span,
    age_of,
    idle_for,
    samples_of,
)

# How long khugepaged sleeps between two scans; advice is in force for what is mapped meanwhile.
_SCAN_INTERVAL_US = 10_000_000


@dataclass(frozen=True, slots=True)
class HugePagesAlways(FixedRule):
    """Advise and collapse everything, as "always" does at faults and in khugepaged.

    Source: Documentation/admin-guide/mm/transhuge.rst of Linux 7.3. Every
    10 s, khugepaged's sleep; but all memory at once, and not 4096 pages of it.
    """

    @property
    def plan(self) -> Plan:
        """Two schemes for all regions."""
        return Plan(
            tuple(
                Scheme(action, apply_interval_us=_SCAN_INTERVAL_US)
                for action in (Action.HUGEPAGE, Action.COLLAPSE)
            )
        )


@dataclass(frozen=True, slots=True)
class HugePagesMadvise(FixedRule):
    """Advise against huge pages everywhere: as "madvise" where no program asks for any.

    Source: as for always. What is huge already stays so.
    """

    @property
    def plan(self) -> Plan:
        """One scheme for all regions."""
        return Plan((Scheme(Action.NOHUGEPAGE, apply_interval_us=_SCAN_INTERVAL_US),))


@dataclass(frozen=True, slots=True)
class HugePagesByAccess(FixedRule):
    """Huge pages where memory is accessed, none where it was idle.

    Source: the scheme "ethp" of DAMON's own evaluation (github.com/awslabs/damon-tests,
    perf/schemes/ethp.json): hugepage from 5 % of the samples on, nohugepage for 2 MiB and more
    that were idle for 7 s. Regions below 2 MiB hold no huge page and are left out; what is advised
    is also collapsed, which DAMON can since Linux 7.2.
    """

    hot_share: float = 0.05
    cold_age_s: float = 7.0
    apply_interval_s: float = 0.1

    space: ClassVar = {
        "hot_share": Span(0.05, 1.0),
        "cold_age_s": Span(1.0, 300.0),
        "apply_interval_s": Span(0.1, 60.0),
    }

    @property
    def plan(self) -> Plan:
        """Advice and collapse for hot regions, advice against for cold ones."""
        intervals = MONITORING.intervals
        hot = AccessPattern(
            min_sz_bytes=HUGE_PAGE_BYTES, min_nr_accesses=samples_of(self.hot_share, intervals)
        )
        cold = idle_for(age_of(self.cold_age_s, intervals), HUGE_PAGE_BYTES)
        wanted = ((Action.HUGEPAGE, hot), (Action.COLLAPSE, hot), (Action.NOHUGEPAGE, cold))
        interval_us = round(self.apply_interval_s * 1e6)
        return Plan(
            tuple(
                Scheme(action, pattern, apply_interval_us=interval_us)
                for action, pattern in wanted
            )
        )
