"""What a rule is: a way to manage memory that was not learned from episodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from damon_tuner.kernel_iface.host import AccessPattern, Intervals, Scheme, Snapshot
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import Decision, Policy

PAGE_BYTES = 4096
HUGE_PAGE_BYTES = 2 << 20
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Span:
    """Where a search looks for a parameter: from ``low`` to ``high``, in logarithms or not."""

    low: float
    high: float
    is_log: bool = True


class Rule(ABC):
    """A frozen dataclass whose fields are the rule's settings, as published by default.

    ``space`` has the span of each setting that a search may change. ``groups`` are the knob groups
    that a host must be told of for what the rule does, beyond schemes for a tenant's addresses.
    """

    __slots__ = ()

    space: ClassVar[Mapping[str, Span]] = {}
    groups: ClassVar[tuple[str, ...]] = ()

    def with_settings(self, settings: Mapping[str, float]) -> Self:
        """Return the same rule with other values of these of its settings."""
        # every rule is a dataclass
        changed: Any = self
        made: Self = replace(changed, **settings)
        return made

    @abstractmethod
    def policy(self, budget: float) -> Policy:
        """Return who decides for one tenant whose slowdown may be ``budget`` (0 to 1)."""


class FixedRule(Rule):
    """The same plan whatever is observed: set once and left."""

    __slots__ = ()

    @property
    @abstractmethod
    def plan(self) -> Plan:
        """What is set."""

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """For the tenant's own addresses."""
        return self.plan.schemes

    def policy(self, budget: float) -> Policy:
        """Return itself: it has nothing to remember of a tenant, and no use for a budget."""
        return self

    def decide(self, snapshot: Snapshot) -> Decision:
        """Decide as always."""
        return decision_of(self.plan)


class AdaptiveRule(Rule):
    """Decides anew at every snapshot, and remembers what it has seen of the tenant."""

    __slots__ = ()


def decision_of(plan: Plan, knobs: Mapping[str, float] | None = None) -> Decision:
    """Return the decision of a rule; ``knobs`` are what people may want to read of it."""
    return Decision(
        plan=plan,
        knobs=knobs or {},
        reasons=(),
        observation=(),
        action=(),
        slowdown=float("nan"),
    )


def age_of(idle_s: float, intervals: Intervals) -> int:
    """``idle_s`` in whole aggregation intervals, as DAMON counts ages."""
    return round(idle_s * 1e6) // intervals.aggr_us


def idle_for(min_age: int, min_sz_bytes: int = PAGE_BYTES) -> AccessPattern:
    """Regions without an access for ``min_age`` aggregation intervals, of at least that size."""
    return AccessPattern(min_sz_bytes=min_sz_bytes, max_nr_accesses=0, min_age=min_age)


def samples_of(share: float, intervals: Intervals) -> int:
    """The least number of samples of an aggregation that is ``share`` of them, and at least 1."""
    return max(1, round(share * intervals.samples_per_aggregation))
