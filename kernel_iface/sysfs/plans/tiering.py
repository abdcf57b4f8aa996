"""Promotion and demotion: a kdamond for the physical memory of each node, and more for tenants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from damon_tuner.errors import NotRestoredError, TakenOverError, TunerError
from damon_tuner.kernel_iface.host import MonitoringAttrs, Scheme
from damon_tuner.kernel_iface.sysfs.observe.nodes import Tiers, tiers
from damon_tuner.kernel_iface.sysfs.observe.physical import node_ranges
from damon_tuner.kernel_iface.sysfs.observe.zones import high_watermark_bytes
from damon_tuner.kernel_iface.sysfs.plans.groups import groups_are_there
from damon_tuner.kernel_iface.sysfs.plans.node_kdamond import NodeKdamond, Ranges
from damon_tuner.kernel_iface.sysfs.plans.node_schemes import (
    NodeScheme,
    Room,
    guarded,
    only_of,
    refusing,
    toward,
)
from damon_tuner.kernel_iface.sysfs.plans.tier_settings import TierSettings
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.tree import Tree

_TUNER_FILE = "contexts/0/schemes/0/quotas/goal_tuner"
_CHARGE_FILE = "contexts/0/schemes/0/quotas/fail_charge_num"


@dataclass(frozen=True, slots=True)
class NodeWish:
    """What one tenant wants of every node: schemes for the monitoring intervals of the nodes.

    ``groups`` are those that its pages are charged to; None is for the pages of all tenants.
    """

    promote: Scheme | None
    demote: Scheme | None
    groups: tuple[str, ...] | None


def nr_node_slots(tree: Tree, max_tenants: int) -> int:
    """Return how many kdamonds a session needs for tiering, beside one for each tenant.

    None on a host with one tier. Raises ``KernelFileError``.
    """
    levels = tiers(tree).levels
    if len(levels) < 2:
        return 0
    nr_nodes = sum(map(len, levels))
    nr_demoting = nr_nodes - len(levels[-1])
    return nr_nodes + nr_demoting * (max_tenants - 1)


def rooms_of(tree: Tree, found: Tiers) -> dict[int, Room]:
    """Return what may be filled of each node, by number; raises ``KernelFileError``."""
    margins = high_watermark_bytes(tree)
    return {
        node.number: Room(
            node.total_bytes,
            margins.get(node.number, 0),
            node.free_bytes - margins.get(node.number, 0),
        )
        for level in found.levels
        for node in level
    }


def ends_by_goals(session: Session) -> bool:
    """Tell whether this kernel ends a scheme at once when a goal is met (Linux 7.1)."""
    return session.damon.features.has(_TUNER_FILE)


class Tiering:
    """Keeps the nodes' kdamonds at what the tenants wish.

    Each node has one kdamond with the promotion of all tenants and the demotion of one; for the
    demotion of every further tenant there is another one (see :class:`NodeKdamond`).
    """

    def __init__(self, session: Session, attrs: MonitoringAttrs, lease_s: float | None) -> None:
        self._session = session
        self._tree: Tree = session.tree
        self._attrs = attrs
        self._lease_s = lease_s
        self._settings = TierSettings(session.tree, session.ledger)
        self._is_elsewhere = False
        self._kdamonds: list[NodeKdamond] = []
        self._ranges: dict[int, Ranges] = {}
        self._wishes: Mapping[str, NodeWish] = {}
        self._gone: dict[tuple[str, bool], int] = {}
        self._is_short = False
        self.trouble: dict[str, str] = {}
        """What could not be done for a tenant, or for a node, by name."""

    def carry_out(self, wishes: Mapping[str, NodeWish], *, is_elsewhere: bool = False) -> None:
        """Come to what the tenants wish; what fails for one leaves the others.

        The kernel's settings are also held where something is tiered ``is_elsewhere``.

        Raises:
            TakenOverError: somebody else has taken DAMON.
            TunerError: the nodes cannot be read, or the kernel's settings not be written.
        """
        self._wishes, self._is_elsewhere = dict(wishes), is_elsewhere
        self.trouble = {}
        found = tiers(self._tree)
        wanted = self._wanted(found) if len(found.levels) > 1 else {}
        if any(wanted.values()) or is_elsewhere:
            self._settings.hold()
        for kdamond in tuple(self._kdamonds):
            if not wanted.get(kdamond):
                self._end(kdamond)
        # Where room is short, each node has one before any has two.
        busy = [kdamond for kdamond in wanted if wanted[kdamond]]
        for kdamond in sorted(busy, key=lambda each: each is not self._first(each.node)):
            self._run(kdamond, wanted[kdamond])
        if not self._kdamonds and not is_elsewhere:
            self._settings.release()

    def look(self) -> None:
        """Count what was moved, and renew leases; raises ``TakenOverError``."""
        for kdamond in self._kdamonds:
            try:
                kdamond.look()
            except TakenOverError:
                raise
            except TunerError as error:
                self.trouble[f"node {kdamond.node}"] = str(error)

    def watch(self) -> None:
        """Hold promotion back as soon as its target is short of memory, and let it go on after.

        Where the kernel does so itself, by a goal, nothing is read. Raises what ``carry_out``
        raises.
        """
        if self._promotes() and not ends_by_goals(self._session):
            if self._is_target_short() != self._is_short:
                self.carry_out(self._wishes, is_elsewhere=self._is_elsewhere)

    def forget_ranges(self) -> None:
        """Look up anew where the nodes' memory is: blocks have gone offline, or come back."""
        self._ranges = {}

    def moved_bytes(self, tenant: str, *, is_promotion: bool) -> int:
        """Return what was promoted, or demoted, of a tenant's since it came."""
        key = tenant, is_promotion
        counted = sum(kdamond.tally.moved_bytes.get(key, 0) for kdamond in self._kdamonds)
        return counted + self._gone.get(key, 0)

    def forget(self, tenant: str) -> None:
        """Drop what was counted for a tenant that is gone."""
        self._gone = {key: size for key, size in self._gone.items() if key[0] != tenant}
        for kdamond in self._kdamonds:
            kdamond.tally.forget(tenant)

    def slow_heat_share(self) -> float:
        """Return the share of the accesses seen now that slower nodes serve; 0 without any.

        Raises what ``NodeKdamond.regions`` raises.
        """
        slower = tiers(self._tree).slower
        seen: dict[int, int] = {}
        for kdamond in self._kdamonds:
            if kdamond.node not in seen:
                regions = kdamond.regions()
                seen[kdamond.node] = sum((r.end - r.start) * r.nr_accesses for r in regions)
        total = sum(seen.values())
        return sum(heat for node, heat in seen.items() if node in slower) / total if total else 0.0

    def stop(self) -> None:
        """End all kdamonds, and put the kernel's settings back; raises ``NotRestoredError``."""
        left = []
        for undo in (*(each.stop for each in self._kdamonds), self._settings.release):
            try:
                undo()
            except TunerError as error:
                left.append(str(error))
        if left:
            raise NotRestoredError("; ".join(left))
        self._kdamonds, self._wishes = [], {}

    def _wanted(self, found: Tiers) -> dict[NodeKdamond, list[NodeScheme]]:
        """Whose schemes each kdamond is to run; makes those that are missing."""
        wanted: dict[NodeKdamond, list[NodeScheme]] = {each: [] for each in self._kdamonds}
        rooms = rooms_of(self._tree, found)
        self._is_short = False
        for node in rooms:
            promotions = list(self._promotions(node, found, rooms))
            if promotions:
                wanted.setdefault(self._first(node), []).extend(promotions)
            for demotion in self._demotions(node, found):
                wanted.setdefault(self._of_owner(node, demotion.tenant), []).append(demotion)
        return wanted

    def _promotions(
        self, node: int, found: Tiers, rooms: Mapping[int, Room]
    ) -> Iterator[NodeScheme]:
        target = found.promotes_to(node)
        asking = {name: wish for name, wish in self._wishes.items() if wish.promote is not None}
        if target is None or not asking:
            return
        left_bytes = rooms[target].left_bytes
        self._is_short |= left_bytes <= 0
        room = replace(rooms[target], left_bytes=left_bytes // len(asking))
        for name, wish in asking.items():
            assert wish.promote is not None
            scheme = self._placed(name, wish, wish.promote, target, goals_node=target)
            if scheme is not None:
                is_by_kernel = ends_by_goals(self._session)
                yield NodeScheme(name, True, guarded(scheme, room, is_by_kernel=is_by_kernel))

    def _demotions(self, node: int, found: Tiers) -> Iterator[NodeScheme]:
        target = found.demotes_to(node)
        if target is None:
            return
        for name, wish in self._wishes.items():
            if wish.demote is not None:
                scheme = self._placed(name, wish, wish.demote, target, goals_node=node)
                if scheme is not None:
                    yield NodeScheme(name, False, scheme)

    def _placed(
        self, name: str, wish: NodeWish, scheme: Scheme, target: int, goals_node: int
    ) -> Scheme | None:
        if wish.groups is None:
            return toward(refusing(scheme), target, goals_node)
        if not wish.groups:
            self.trouble[name] = "its control group is gone"
            return None
        moved = toward(refusing(scheme), target, goals_node, wish.groups[0])
        charges_less = self._session.damon.features.has(_CHARGE_FILE)
        return only_of(wish.groups, moved, charges_less=charges_less)

    def _first(self, node: int) -> NodeKdamond:
        for kdamond in self._kdamonds:
            if kdamond.node == node:
                return kdamond
        return self._made(node)

    def _of_owner(self, node: int, tenant: str) -> NodeKdamond:
        """Its own, or one that no tenant demotes with now, or a new one."""
        here = [each for each in self._kdamonds if each.node == node]
        for owner in (tenant, ""):
            for kdamond in here:
                if kdamond.owner == owner or (not owner and kdamond.owner not in self._wishes):
                    kdamond.owner = tenant
                    return kdamond
        kdamond = self._made(node)
        kdamond.owner = tenant
        return kdamond

    def _made(self, node: int) -> NodeKdamond:
        kdamond = NodeKdamond(self._session, node, self._attrs, self._lease_s)
        self._kdamonds.append(kdamond)
        return kdamond

    def _run(self, kdamond: NodeKdamond, schemes: list[NodeScheme]) -> None:
        if kdamond.node not in self._ranges:
            self._ranges[kdamond.node] = node_ranges(self._tree, kdamond.node)
        error = self._refused(kdamond, schemes)
        if error is not None:
            # The kernel refuses everything for one control group that has just gone.
            there = [each for each in schemes if groups_are_there(self._tree, each.scheme)]
            if 0 < len(there) < len(schemes):
                error = self._refused(kdamond, there)
        if error is not None:
            self.trouble[f"node {kdamond.node}"] = str(error)
            if not kdamond.is_on:
                self._kdamonds.remove(kdamond)

    def _refused(self, kdamond: NodeKdamond, schemes: list[NodeScheme]) -> TunerError | None:
        try:
            kdamond.run(schemes, self._ranges[kdamond.node])
        except TakenOverError:
            raise
        except TunerError as error:
            return error
        return None

    def _end(self, kdamond: NodeKdamond) -> None:
        try:
            kdamond.look()
        except TakenOverError:
            raise
        except TunerError as error:
            # It has ended by itself: what was seen last counts.
            self.trouble[f"node {kdamond.node}"] = str(error)
        kdamond.stop()
        self._kdamonds.remove(kdamond)
        for key, size in kdamond.tally.moved_bytes.items():
            self._gone[key] = self._gone.get(key, 0) + size

    def _promotes(self) -> bool:
        return any(each.is_promotion for kdamond in self._kdamonds for each in kdamond.schemes)

    def _is_target_short(self) -> bool:
        """Whether some node that is promoted to has no more free than reclaim leaves."""
        found = tiers(self._tree)
        rooms = rooms_of(self._tree, found)
        targets = {found.promotes_to(kdamond.node) for kdamond in self._kdamonds}
        return any(rooms[node].left_bytes <= 0 for node in targets if node is not None)
