"""One tenant's decisions on any host: snapshot in, schemes out.

The arithmetic is the C code that also runs inside the simulator; here it meets Python's values.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from damon_tuner import _core
from damon_tuner.kernel_iface.host import MonitoringAttrs, Scheme, Snapshot
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.plan_from_core import plan_from_core
from damon_tuner.policies.schema import RECLAIM, Schema

MONITORING = MonitoringAttrs(max_nr_regions=200)
"""How the tuner has DAMON monitor: the kernel's intervals, at most 200 regions."""

SLOWDOWN_OF: Mapping[str, float] = {"work": _core.MIN_WORKED_SHARE, "time": 1.0}
"""Of what a slowdown is a share, and how much of the time that passes counts as worked at least.

Of the time that a tenant works: whatever it does takes longer by no more than the budget. Of all
the time, as the kernel's pressure is: what a tenant gets done that mostly waits for others.
"""

CONTROL_INTERVAL_S = 5.0
DEFAULT_BUDGET = 0.02


def monitoring() -> dict[str, int]:
    """``MONITORING`` as it is noted in a policy file."""
    return {
        "sample_us": MONITORING.intervals.sample_us,
        "aggr_us": MONITORING.intervals.aggr_us,
        "max_nr_regions": MONITORING.max_nr_regions,
    }


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """What the guard lets no policy cross; narrower than the defaults, or as they are."""

    min_age_s: float = 2.0
    """The lowest minimum age, in seconds."""
    max_quota_bytes_per_s: float = 4294967296.0
    """The most bytes a second that may be paged out."""
    max_age_division: float = 4.0
    """By how much the minimum age may be divided in one decision."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision and what led to it.

    ``reasons`` names what the guard did: limit, rate, breach, nonsense, hold; and what tripped
    it: pressure, slowdown, and from outside swap, fast_node, refaults, score. ``slowdown`` is the
    share that faults cost in the last interval, as far as a host can tell; ``hold_left_s`` is for
    how long page-out stays off.
    """

    plan: Plan
    knobs: Mapping[str, float]
    reasons: tuple[str, ...]
    observation: tuple[float, ...]
    action: tuple[float, ...]
    slowdown: float
    hold_left_s: float = 0.0
    schema: Schema = RECLAIM
    """What observation and action mean."""

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """For the tenant's own addresses."""
        return self.plan.schemes


class Policy(Protocol):
    """Anything that answers snapshots with decisions."""

    def decide(self, snapshot: Snapshot) -> Decision:
        """Decide what to run until the next snapshot."""


class LearnedPolicy:
    """A trained network within its guard, for one tenant and one slowdown ``budget`` (0 to 1).

    ``schema`` says what the network sees and sets, ``slowdown_of``, a key of ``SLOWDOWN_OF``, of
    what the budget is a share.

    Raises:
        ValueError: the budget is no share, or a limit is wider than the guard's own.

    """

    def __init__(
        self,
        network: _core.Network,
        budget: float,
        limits: GuardLimits | None = None,
        *,
        schema: Schema = RECLAIM,
        slowdown_of: str = "work",
    ) -> None:
        self._network = network
        self._schema = schema
        self._decider = _core.Decider(
            budget,
            groups=schema.groups,
            min_worked_share=SLOWDOWN_OF[slowdown_of],
            **_as_arguments(limits),
        )
        self._observation = array("f", bytes(4 * schema.nr_features))
        self._action = array("f", bytes(4 * schema.nr_knobs))

    @property
    def schema(self) -> Schema:
        """What the network sees and sets."""
        return self._schema

    def decide(self, snapshot: Snapshot, tripped: Collection[str] = ()) -> Decision:
        """Observe ``snapshot`` and decide; call it once a control interval.

        ``tripped`` stops page-out for what the snapshot does not show: swap, fast_node,
        refaults, score.
        """
        self._decider.observe(snapshot, self._observation, tripped=tripped)
        self._network.forward(self._observation, self._action)
        return Decision(
            plan=plan_from_core(self._decider.act(self._action)),
            knobs=self._decider.knobs(),
            reasons=self._decider.reasons(),
            observation=tuple(self._observation),
            action=tuple(self._action),
            slowdown=self._decider.rates()["slowdown"],
            hold_left_s=self._decider.hold_left_s,
            schema=self._schema,
        )

    def set_network(self, network: _core.Network) -> None:
        """Ask another network of the same schema from the next decision on; all else goes on."""
        self._network = network

    def set_budget(self, budget: float, slowdown_of: str = "work") -> None:
        """Decide for another budget from the next decision on; all else goes on."""
        self._decider.set_budget(budget, min_worked_share=SLOWDOWN_OF[slowdown_of])

    def set_limits(self, limits: GuardLimits | None) -> None:
        """Decide within other limits, or the guard's own; all else goes on."""
        self._decider.set_limits(**_as_arguments(limits))

    def rates(self) -> Mapping[str, float]:
        """What the last snapshot said: slowdown (now, 30 s, 300 s), pressure, bytes tried."""
        return self._decider.rates()


def _as_arguments(limits: GuardLimits | None) -> dict[str, float]:
    return asdict(limits or GuardLimits())
