"""What carries plans out: on a tenant's own addresses alone, or on the whole host."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.host import Snapshot
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost
from damon_tuner.kernel_iface.sysfs.tree import Tree

_OF_THE_HOST = frozenset({"tiering", "thp", "power"})
"""The knob groups that need more of the host than its tenants' own schemes."""


class Hands(Protocol):
    """As ``PlanCarrier``, which says in what order these are called."""

    trouble: str

    def add(self, name: str, host: SessionHost, group: str | None = None) -> None:
        """Look after a tenant, whose control group is ``group`` where all of it is the tenant."""

    def remove(self, name: str) -> None:
        """Look after it no more."""

    def observed(self, name: str, snapshot: Snapshot) -> Snapshot:
        """Add to a snapshot what the tenant's host alone does not show."""

    def plan(self, name: str, plan: Plan, *, is_urgent: bool = False) -> None:
        """Set a tenant's own schemes; raises what ``SessionHost.apply`` raises."""

    def carry_out(self) -> None:
        """Do what all plans ask for together; raises ``TakenOverError``."""

    def advance(self) -> float | None:
        """Go on with what takes long; returns in how many seconds to come again."""

    def stop(self) -> None:
        """Put back what is not a tenant's own; raises ``NotRestoredError``."""


class OwnHands:
    """For knobs that set the tenants' own schemes alone."""

    def __init__(self) -> None:
        self._hosts: dict[str, SessionHost] = {}
        self.trouble = ""

    def add(self, name: str, host: SessionHost, group: str | None = None) -> None:
        """Look after a tenant."""
        self._hosts[name] = host

    def remove(self, name: str) -> None:
        """Look after it no more."""
        self._hosts.pop(name, None)

    def observed(self, name: str, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot: there is nothing to add."""
        return snapshot

    def plan(self, name: str, plan: Plan, *, is_urgent: bool = False) -> None:
        """Set the tenant's schemes.

        Raises:
            TunerError: the plan asks for more; and what ``SessionHost.apply`` raises.
        """
        if plan.is_for_the_host:
            raise TunerError(
                "this policy sets tiers or memory power: its host must be told (groups)"
            )
        self._hosts[name].apply(plan.schemes, is_urgent=is_urgent)

    def carry_out(self) -> None:
        """Nothing is for all of them together."""

    def advance(self) -> float | None:
        """Nothing takes long."""
        return None

    def stop(self) -> None:
        """Nothing was done beside the tenants' own schemes."""
        self._hosts = {}


def hands_for(
    session: Session,
    groups: Collection[str],
    lease_s: float | None,
    *,
    tames_khugepaged: bool = False,
) -> Hands:
    """Return what carries out plans of these knob groups on an open session."""
    if not _OF_THE_HOST & set(groups):
        return OwnHands()
    # only here, because it is a tenth of the daemon's memory
    from damon_tuner.kernel_iface.sysfs.plans import PlanCarrier

    return PlanCarrier(session, groups=groups, lease_s=lease_s, tames_khugepaged=tames_khugepaged)


def nr_slots(tree: Tree, groups: Collection[str], max_tenants: int) -> int:
    """Return how many kdamonds are needed; raises ``KernelFileError``."""
    if "tiering" not in groups:
        return max_tenants
    from damon_tuner.kernel_iface.sysfs.plans import nr_node_slots

    return max_tenants + nr_node_slots(tree, max_tenants)
