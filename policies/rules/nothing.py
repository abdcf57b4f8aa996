"""No management."""

from __future__ import annotations

from dataclasses import dataclass

from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.rules.rule import FixedRule


@dataclass(frozen=True, slots=True)
class Nothing(FixedRule):
    """Watch, and leave everything to the kernel."""

    @property
    def plan(self) -> Plan:
        """No scheme."""
        return Plan()
