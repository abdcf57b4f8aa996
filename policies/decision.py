"""One tenant's decisions on any host: snapshot in, schemes out.

The arithmetic is the C code that also runs inside the simulator; here it meets Python's values.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    MonitoringAttrs,
    Quota,
    Scheme,
    Snapshot,
)

MONITORING = MonitoringAttrs(max_nr_regions=200)
"""How the tuner has DAMON monitor: the kernel's intervals, at most 200 regions."""

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
class Decision:
    """One decision and what led to it.

    ``reasons`` names what the guard did: limit, rate, pressure, slowdown, hold, nonsense.
    ``slowdown`` is the share that faults cost in the last interval, as far as a host can tell.
    """

    schemes: tuple[Scheme, ...]
    knobs: Mapping[str, float]
    reasons: tuple[str, ...]
    observation: tuple[float, ...]
    action: tuple[float, ...]
    slowdown: float


class Policy(Protocol):
    """Anything that answers snapshots with decisions."""

    def decide(self, snapshot: Snapshot) -> Decision:
        """Decide what to run until the next snapshot."""


class LearnedPolicy:
    """A trained network within its guard, for one tenant and one slowdown ``budget`` (0 to 1)."""

    def __init__(self, network: _core.Network, budget: float) -> None:
        self._network = network
        self._decider = _core.Decider(budget)
        self._observation = array("f", bytes(4 * len(_core.OBSERVATION_NAMES)))
        self._action = array("f", bytes(4 * len(_core.KNOB_NAMES)))

    def decide(self, snapshot: Snapshot) -> Decision:
        """Observe ``snapshot`` and decide; call it once a control interval."""
        self._decider.observe(snapshot, self._observation)
        self._network.forward(self._observation, self._action)
        scheme = scheme_from_flat(self._decider.act(self._action))
        return Decision(
            schemes=(scheme,),
            knobs=self._decider.knobs(),
            reasons=self._decider.reasons(),
            observation=tuple(self._observation),
            action=tuple(self._action),
            slowdown=self._decider.rates()["slowdown"],
        )


def scheme_from_flat(flat: _core._FlatScheme) -> Scheme:
    """The scheme that the decision path planned, as the hosts take it."""
    return Scheme(
        action=Action(flat["action"]),
        pattern=AccessPattern(
            min_sz_bytes=flat["min_sz_bytes"],
            max_sz_bytes=flat["max_sz_bytes"],
            min_nr_accesses=flat["min_nr_accesses"],
            max_nr_accesses=flat["max_nr_accesses"],
            min_age=flat["min_age"],
            max_age=flat["max_age"],
        ),
        quota=Quota(
            sz_bytes=flat["sz_bytes"],
            reset_interval_ms=flat["reset_interval_ms"],
            weight_sz_permille=flat["weight_sz_permille"],
            weight_nr_accesses_permille=flat["weight_nr_accesses_permille"],
            weight_age_permille=flat["weight_age_permille"],
        ),
    )
