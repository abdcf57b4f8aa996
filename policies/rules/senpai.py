"""Senpai: reclaim a little all the time, less the more pressure there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from damon_tuner.kernel_iface.host import Action, Quota, Scheme, Snapshot
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import Decision, Policy
from damon_tuner.policies.rules.rule import PAGE_BYTES, AdaptiveRule, Span, decision_of, idle_for


@dataclass(frozen=True, slots=True)
class Senpai(AdaptiveRule):
    """Every ``interval_s``, page out memory * ratio * max(0, 1 - pressure / threshold).

    Source: TMO (Weiner et al., ASPLOS 2022), with its settings in production: 6 s, a ratio of
    0.0005, a threshold of 0.1 % of "some" memory pressure, at most 1 % of memory. There
    ``memory.reclaim`` chooses among inactive pages; here it is page-out of what was not accessed,
    coldest first. The amount is spread over seconds, so that how often decisions are taken does
    not matter.
    """

    interval_s: float = 6.0
    ratio: float = 0.0005
    pressure_threshold: float = 0.001
    max_share: float = 0.01

    space: ClassVar = {
        "ratio": Span(1e-5, 1e-2),
        "pressure_threshold": Span(1e-4, 0.3),
    }

    def policy(self, budget: float) -> Policy:
        """Return the loop for one tenant; it knows of pressure only, and of no budget."""
        return _Loop(self)


class _Loop:
    def __init__(self, rule: Senpai) -> None:
        self._rule = rule
        self._before: Snapshot | None = None

    def decide(self, snapshot: Snapshot) -> Decision:
        """Look at the pressure since the last snapshot; do nothing at the first."""
        before, self._before = self._before, snapshot
        if before is None or snapshot.time_us <= before.time_us:
            return decision_of(Plan())
        elapsed_us = snapshot.time_us - before.time_us
        pressure = (snapshot.psi_some_us - before.psi_some_us) / elapsed_us
        rule = self._rule
        share = rule.ratio * max(0.0, 1.0 - pressure / rule.pressure_threshold)
        bytes_per_s = min(share, rule.max_share) * snapshot.resident_bytes / rule.interval_s
        if bytes_per_s < PAGE_BYTES:
            return decision_of(Plan(), {"quota_bytes_per_s": 0.0})
        scheme = Scheme(
            action=Action.PAGEOUT,
            pattern=idle_for(0),
            quota=Quota(sz_bytes=int(bytes_per_s), reset_interval_ms=1_000, weight_age_permille=1),
        )
        return decision_of(Plan((scheme,)), {"quota_bytes_per_s": bytes_per_s})
