"""Carries out what the tenants of a session want of the host."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from damon_tuner.errors import NotRestoredError, TakenOverError, TunerError
from damon_tuner.kernel_iface.host import MonitoringAttrs, Scheme, Snapshot
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.kernel_iface.sysfs.actors.actor import ActorStats
from damon_tuner.kernel_iface.sysfs.observe.nodes import Tiers, tiers
from damon_tuner.kernel_iface.sysfs.plans.by_virtual import (
    moves_by_virtual,
    own_schemes,
    slowest_from,
)
from damon_tuner.kernel_iface.sysfs.plans.groups import memory_groups
from damon_tuner.kernel_iface.sysfs.plans.khugepaged import TamedKhugepaged
from damon_tuner.kernel_iface.sysfs.plans.node_schemes import (
    at_intervals,
    guarded,
    refusing,
    toward,
)
from damon_tuner.kernel_iface.sysfs.plans.power import Power
from damon_tuner.kernel_iface.sysfs.plans.sight import TenantSight
from damon_tuner.kernel_iface.sysfs.plans.tally import MovedTally
from damon_tuner.kernel_iface.sysfs.plans.tiering import (
    NodeWish,
    Tiering,
    ends_by_goals,
    rooms_of,
)
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost

TIERING, THP, POWER = "tiering", "thp", "power"
"""The groups of knobs that a carrier looks after; it takes no notice of others."""

NODE_MONITORING = MonitoringAttrs(min_nr_regions=100, max_nr_regions=1_000)
"""How DAMON monitors the nodes' physical memory, unless told otherwise.

Pages of all tenants lie beside each other there: in a tenth of a node some page is always in use,
and then none of it gets old.
"""

_ONLY_BY_GROUP = (
    "it is not tiered: by its own addresses that takes Linux 6.17 and one node of fast memory; "
    "give it a control group of its own"
)


@dataclass(frozen=True, slots=True)
class PlanStats:
    """What was moved for one tenant since it was added, and what could not be done for it."""

    promoted_bytes: int
    demoted_bytes: int
    trouble: str = ""


@dataclass(slots=True)
class _Carried:
    """One tenant; ``nr_own`` of the schemes of its host are those of its plan."""

    host: SessionHost
    group: str | None
    sight: TenantSight
    plan: Plan = field(default_factory=Plan)
    nr_own: int | None = None
    moves_by_virtual: bool = False
    trouble: str = ""
    tally: MovedTally = field(default_factory=MovedTally)

    @property
    def is_by_node(self) -> bool:
        """Whether its pages are told from others' by their control group, or are all pages."""
        return self.group is not None or not self.host.pids


class PlanCarrier:
    """Brings an open session to what its tenants' plans say, as often as they change.

    ``groups`` names the groups of knobs that policies have; of what others would need nothing is
    read. The order of calls, for each tenant:

    - ``add`` once its host is started, with its control group where the whole group is the tenant;
    - ``observed`` with each snapshot of its host, before a decision;
    - ``plan`` with what was decided: its own schemes are set at once;
    - ``remove`` when it is gone.

    And for all of them: ``carry_out`` once in each round, after the last ``plan``, for what they
    share; ``advance`` between rounds, as soon as it asks for; ``stop`` before the session closes
    (what was changed is in the session's journal as well, and comes back after a kill).

    The session must have room for ``nr_node_slots`` kdamonds more than for its tenants.

    A tenant without a control group is tiered by virtual address, in the context of its host,
    where the fastest tier is one node. ``tames_khugepaged`` says whether the kernel's own
    collapsing is slowed down where it works on all memory.
    """

    def __init__(
        self,
        session: Session,
        *,
        groups: Collection[str] = (TIERING, THP, POWER),
        attrs: MonitoringAttrs = NODE_MONITORING,
        lease_s: float | None = None,
        tames_khugepaged: bool = False,
    ) -> None:
        self._session = session
        self._tree = session.tree
        self._groups = frozenset(groups)
        self._attrs = attrs
        self._tiering = Tiering(session, attrs, lease_s)
        self._power = Power(session.tree, session.ledger)
        self._khugepaged = TamedKhugepaged(session.tree, session.ledger)
        self._tames_khugepaged = tames_khugepaged and THP in self._groups
        self._tenants: dict[str, _Carried] = {}
        self._heat: float | None = None
        self._offline_bytes = 0
        self.trouble = ""
        """What could not be done about the hardware or the kernel's settings, if anything."""

    def add(self, name: str, host: SessionHost, group: str | None = None) -> None:
        """Look after a tenant; ``group`` is its control group, as a path below their mount.

        Raises:
            ValueError: there is a tenant of that name.
        """
        if name in self._tenants:
            raise ValueError(f"there is a tenant {name} already: remove it first")
        self._tenants[name] = _Carried(host, group, TenantSight(self._tree, group))

    def remove(self, name: str) -> None:
        """Drop a tenant's plan with the next ``carry_out``; its host is its owner's to stop."""
        self._tenants.pop(name, None)
        self._tiering.forget(name)

    def observed(self, name: str, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot of the tenant's host with what the knobs of the groups need to see.

        The statistics of schemes are those of the schemes of its plan alone.

        Raises:
            TakenOverError: somebody else has taken DAMON.
            KernelFileError: a file of the kernel does not hold what it should.
        """
        tenant = self._tenants[name]
        tenant.tally.look(snapshot.scheme_stats)
        seen = replace(snapshot, scheme_stats=snapshot.scheme_stats[: tenant.nr_own])
        with self._tree.sensible():
            if TIERING in self._groups:
                seen = self._with_tiers(name, tenant, seen)
            if THP in self._groups:
                huge_bytes = tenant.sight.huge_bytes(tenant.host.pids)
                seen = replace(seen, huge_bytes=min(huge_bytes, seen.resident_bytes))
            if POWER in self._groups:
                seen = replace(
                    seen,
                    offline_bytes=self._power.offline_bytes,
                    offlinable_bytes=self._power.offlinable_bytes(),
                )
        return seen

    def plan(self, name: str, plan: Plan, *, is_urgent: bool = False) -> None:
        """Set a tenant's own schemes, and remember the rest for ``carry_out``.

        Raises what ``SessionHost.apply`` raises; its plan is then the one before.
        """
        tenant = self._tenants[name]
        found = tiers(self._tree) if TIERING in self._groups else Tiers(())
        own = own_schemes(plan.schemes, found, self._session.damon.features)
        moves = {} if tenant.is_by_node else self._moves(name, tenant, plan, found)
        tenant.host.apply((*own, *moves.values()), is_urgent=is_urgent)
        tenant.tally.run((*[None] * len(own), *moves))
        tenant.plan, tenant.nr_own = plan, len(own)
        tenant.moves_by_virtual = bool(moves)

    def carry_out(self) -> None:
        """Come to what all plans say of nodes and hardware.

        What fails for one node or tenant is in its ``stats``, or in ``trouble``.

        Raises:
            TakenOverError: somebody else has taken DAMON.
        """
        self._heat, self.trouble = None, ""
        steps: Iterable[Callable[[], None]] = (
            self._tiering.look,
            self._carry_out_tiering,
            self._carry_out_power,
            self._carry_out_khugepaged,
        )
        self.trouble = _failures(steps)

    def apply(self, plans: Mapping[str, Plan]) -> None:
        """Plan for each of these tenants, and carry it out; raises what both raise."""
        for name, plan in plans.items():
            self.plan(name, plan)
        self.carry_out()

    def advance(self) -> float | None:
        """Bring memory back that is short, and take a little that is spare.

        Returns in how many seconds at most to come again; None leaves it to the next round.

        Raises:
            TakenOverError: somebody else has taken DAMON.
        """
        wait_s = self._power.advance(self._session.kernel.now_us())
        self._watch_blocks()
        failure = _failures([self._tiering.watch])
        self.trouble = failure or self.trouble
        return wait_s

    def stats(self, name: str) -> PlanStats:
        """Return what was done for a tenant."""
        tenant = self._tenants[name]
        return PlanStats(
            self._moved_bytes(name, tenant, is_promotion=True),
            self._moved_bytes(name, tenant, is_promotion=False),
            tenant.trouble or self._tiering.trouble.get(name, ""),
        )

    @property
    def node_trouble(self) -> Mapping[str, str]:
        """What could not be done on which node, or for which tenant."""
        return dict(self._tiering.trouble)

    @property
    def offline_bytes(self) -> int:
        """What of the host's memory is offline because of the plans."""
        return self._power.offline_bytes

    @property
    def missing(self) -> Mapping[str, str]:
        """Why this host cannot do what was asked for, by ``memory_blocks`` and ``clocks``."""
        return dict(self._power.missing)

    def hardware(self) -> Mapping[str, ActorStats]:
        """Return what was done about blocks and clocks, by the names that ``missing`` has."""
        return self._power.stats()

    def stop(self) -> None:
        """Put everything back that is not a tenant's own; may be called again.

        Raises:
            NotRestoredError: names what is left and the commands that mend it.
        """
        left = _failures([self._power.stop, self._tiering.stop, self._khugepaged.release])
        self._tenants = {}
        if left:
            raise NotRestoredError(left)

    def _with_tiers(self, name: str, tenant: _Carried, snapshot: Snapshot) -> Snapshot:
        found = tiers(self._tree)
        if len(found.levels) < 2:
            return snapshot
        slow_bytes = tenant.sight.slow_bytes(tenant.host.pids, found.slower)
        return replace(
            snapshot,
            slow_bytes=min(slow_bytes, snapshot.resident_bytes),
            fast_total_bytes=sum(node.total_bytes for node in found.levels[0]),
            fast_free_bytes=sum(node.free_bytes for node in found.levels[0]),
            promoted_bytes=self._moved_bytes(name, tenant, is_promotion=True),
            demoted_bytes=self._moved_bytes(name, tenant, is_promotion=False),
            slow_heat_share=self._slow_heat_share(),
        )

    def _slow_heat_share(self) -> float:
        """Look once in a round: it is the same for all tenants."""
        if self._heat is None:
            try:
                self._heat = self._tiering.slow_heat_share()
            except TakenOverError:
                raise
            except TunerError as error:
                self._heat, self.trouble = 0.0, str(error)
        return self._heat

    def _moved_bytes(self, name: str, tenant: _Carried, *, is_promotion: bool) -> int:
        by_virtual = tenant.tally.moved_bytes.get((name, is_promotion), 0)
        return by_virtual + self._tiering.moved_bytes(name, is_promotion=is_promotion)

    def _moves(
        self, name: str, tenant: _Carried, plan: Plan, found: Tiers
    ) -> dict[tuple[str, bool], Scheme]:
        """By virtual address, whatever node a page is on: up to the fastest, down to the slowest.

        DAMON cannot ask on which node a page is: with more tiers than two, going down by one
        would bring up what lies below that.
        """
        tenant.trouble = ""
        if len(found.levels) < 2 or (plan.promote is None and plan.demote is None):
            return {}
        if len(found.fastest) > 1 or not moves_by_virtual(self._session.damon.features):
            tenant.trouble = _ONLY_BY_GROUP
            return {}
        fast, moves = found.fastest[0], {}
        if plan.promote is not None:
            room = rooms_of(self._tree, found)[fast]
            hot = toward(refusing(plan.promote), fast, fast)
            is_by_kernel = ends_by_goals(self._session)
            moves[name, True] = guarded(hot, room, is_by_kernel=is_by_kernel)
        if plan.demote is not None:
            cold = refusing(plan.demote)
            moves[name, False] = toward(cold, slowest_from(found, fast), fast)
        return moves

    def _carry_out_tiering(self) -> None:
        if TIERING in self._groups:
            with self._tree.sensible():
                self._tiering.carry_out(
                    {
                        name: self._wish(tenant)
                        for name, tenant in self._tenants.items()
                        if tenant.is_by_node and (tenant.plan.promote or tenant.plan.demote)
                    },
                    is_elsewhere=any(tenant.moves_by_virtual for tenant in self._tenants.values()),
                )

    def _wish(self, tenant: _Carried) -> NodeWish:
        def counted(scheme: Scheme | None) -> Scheme | None:
            if scheme is None:
                return None
            return at_intervals(scheme, tenant.host.intervals, self._attrs.intervals)

        groups = None if tenant.group is None else memory_groups(self._tree, tenant.group)
        return NodeWish(counted(tenant.plan.promote), counted(tenant.plan.demote), groups)

    def _carry_out_power(self) -> None:
        if POWER in self._groups:
            plans = [tenant.plan for tenant in self._tenants.values()]
            spare = [plan.spare_bytes for plan in plans if plan.spare_bytes is not None]
            caps = [plan.clock_cap for plan in plans if plan.clock_cap is not None]
            self._power.ask(max(spare, default=None), max(caps, default=None))
            self._power.advance(self._session.kernel.now_us())
            self._watch_blocks()

    def _carry_out_khugepaged(self) -> None:
        if self._tames_khugepaged and self._tenants:
            self._khugepaged.hold()
        else:
            self._khugepaged.release()

    def _watch_blocks(self) -> None:
        if self._power.offline_bytes != self._offline_bytes:
            self._offline_bytes = self._power.offline_bytes
            self._tiering.forget_ranges()


def _failures(steps: Iterable[Callable[[], None]]) -> str:
    """Take each step, whatever becomes of the others, and say what has failed.

    Raises:
        TakenOverError: that goes for everything.
    """
    failed = []
    for step in steps:
        try:
            step()
        except TakenOverError:
            raise
        except TunerError as error:
            failed.append(str(error))
    return "; ".join(failed)
