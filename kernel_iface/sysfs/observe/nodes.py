"""NUMA nodes and the tiers of memory that the kernel has put them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from damon_tuner.kernel_iface.sysfs.observe.table import Table, flag, listed, number, whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

_NODES = "sys/devices/system/node"
_TIERS = "sys/devices/virtual/memory_tiering"
_TIER = "memory_tier"
BALANCING = "proc/sys/kernel/numa_balancing"
DEMOTION = "sys/kernel/mm/numa/demotion_enabled"
BALANCING_TIERING = 2
"""The bit of ``numa_balancing`` that brings hot pages back to a faster tier."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node that has memory."""

    number: int
    cpus: tuple[int, ...]
    """Empty for a node that is memory alone, such as CXL memory."""
    total_bytes: int
    free_bytes: int
    anon_bytes: int | None
    file_bytes: int | None
    anon_huge_bytes: int | None
    distances: Mapping[int, int]
    """By node; 10 is the way to itself."""
    tier: int | None
    """A smaller number is faster memory."""
    read_latency_ns: int | None
    read_bandwidth_mbps: int | None
    """As the firmware tells it of the nearest CPUs, in MB/s."""


@dataclass(frozen=True, slots=True)
class Tiering:
    """What the kernel does between tiers by itself."""

    demotion: bool | None
    """Reclaim moves pages to a slower tier before it pages out."""
    promotion: bool | None
    """NUMA balancing brings hot pages back to the faster tier."""


def nodes(tree: Tree) -> tuple[Node, ...]:
    """Return the nodes that have memory, in order; none where the kernel knows no nodes.

    Raises:
        KernelFileError: one of the files does not hold what it should.
    """
    online = listed(tree, f"{_NODES}/online") or ()
    tiers = _tiers(tree)
    numbers = listed(tree, f"{_NODES}/has_memory") or ()
    return tuple(_node(tree, node, online, tiers.get(node)) for node in numbers)


@dataclass(frozen=True, slots=True)
class Tiers:
    """The nodes that have memory, tier by tier, the fastest first."""

    levels: tuple[tuple[Node, ...], ...]

    @property
    def fastest(self) -> tuple[int, ...]:
        """Numbers of the nodes of the fastest tier."""
        return tuple(node.number for node in self.levels[0]) if self.levels else ()

    @property
    def slower(self) -> tuple[int, ...]:
        """Numbers of all other nodes; none on a host with one tier."""
        return tuple(node.number for level in self.levels[1:] for node in level)

    def promotes_to(self, node: int) -> int | None:
        """Return the nearest node of the next faster tier; None of the fastest."""
        return self._nearest(node, -1)

    def demotes_to(self, node: int) -> int | None:
        """Return the nearest node of the next slower tier; None of the slowest."""
        return self._nearest(node, 1)

    def _nearest(self, number: int, step: int) -> int | None:
        for place, level in enumerate(self.levels):
            for node in level:
                if node.number == number and 0 <= place + step < len(self.levels):
                    others = self.levels[place + step]
                    return min(others, key=lambda other: _distance(node, other)).number
        return None


def tiers(tree: Tree) -> Tiers:
    """Return the nodes by their tiers; one that the kernel has put in none is taken as fast.

    Raises:
        KernelFileError: one of the files does not hold what it should.
    """
    found = nodes(tree)
    ranks = [node.tier for node in found if node.tier is not None]
    by_rank: dict[int, list[Node]] = {}
    for node in found:
        rank = min(ranks, default=0) if node.tier is None else node.tier
        by_rank.setdefault(rank, []).append(node)
    return Tiers(tuple(tuple(by_rank[rank]) for rank in sorted(by_rank)))


def tiering(tree: Tree) -> Tiering:
    """Return what the kernel does between tiers; raises ``KernelFileError``."""
    balancing = number(tree, BALANCING)
    return Tiering(
        demotion=flag(tree, DEMOTION),
        promotion=None if balancing is None else bool(balancing & BALANCING_TIERING),
    )


def _node(tree: Tree, node: int, online: tuple[int, ...], tier: int | None) -> Node:
    folder = f"{_NODES}/node{node}"
    path = f"{folder}/meminfo"
    # Lines are "Node 0 MemTotal: 123 kB".
    sizes = Table.read(tree, path, skip=2) or Table(path, {})
    initiators = f"{folder}/access0/initiators"
    return Node(
        number=node,
        cpus=listed(tree, f"{folder}/cpulist") or (),
        total_bytes=sizes.needed("MemTotal") << 10,
        free_bytes=sizes.needed("MemFree") << 10,
        anon_bytes=sizes.kib("AnonPages"),
        file_bytes=sizes.kib("FilePages"),
        anon_huge_bytes=sizes.kib("AnonHugePages"),
        distances=_distances(tree, f"{folder}/distance", online),
        tier=tier,
        read_latency_ns=number(tree, f"{initiators}/read_latency"),
        read_bandwidth_mbps=number(tree, f"{initiators}/read_bandwidth"),
    )


def _distance(node: Node, other: Node) -> tuple[int, int]:
    """How far another node is, and its number where several are as far."""
    unknown = max(node.distances.values(), default=0) + 1
    return node.distances.get(other.number, unknown), other.number


def _distances(tree: Tree, path: str, online: tuple[int, ...]) -> dict[int, int]:
    words = (tree.read_if_present(path) or "").split()
    return {node: whole(word, path) for node, word in zip(online, words, strict=False)}


def _tiers(tree: Tree) -> dict[int, int]:
    tiers = {}
    for name in tree.names(_TIERS):
        rank = name.removeprefix(_TIER)
        if rank != name:
            members = listed(tree, f"{_TIERS}/{name}/nodelist") or ()
            tiers.update(dict.fromkeys(members, whole(rank, f"{_TIERS}/{name}")))
    return tiers
