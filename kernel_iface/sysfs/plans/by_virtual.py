"""A plan's schemes for the addresses of the tenant itself, with nodes of this host in them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from damon_tuner.kernel_iface.host import Dest, Scheme
from damon_tuner.kernel_iface.sysfs.features import Features
from damon_tuner.kernel_iface.sysfs.observe.nodes import Tiers

_DESTS = "contexts/0/schemes/0/dests"


def own_schemes(
    schemes: tuple[Scheme, ...], found: Tiers, features: Features
) -> tuple[Scheme, ...]:
    """Return the schemes, the nodes of their destinations told by number and not by tier.

    What spreads pages over tiers is left out where there is one, and where the kernel cannot.
    """
    return tuple(_numbered(schemes, found, features))


def moves_by_virtual(features: Features) -> bool:
    """Tell whether DAMON moves pages by virtual address, which came with weights (Linux 6.17)."""
    return features.has(_DESTS)


def slowest_from(found: Tiers, node: int) -> int:
    """Return where what is demoted from a node again and again ends up."""
    while (slower := found.demotes_to(node)) is not None:
        node = slower
    return node


def _numbered(schemes: tuple[Scheme, ...], found: Tiers, features: Features) -> Iterator[Scheme]:
    for scheme in schemes:
        if not scheme.dests:
            yield scheme
        elif len(found.levels) > 1 and moves_by_virtual(features):
            yield replace(scheme, dests=_spread(scheme.dests, found))


def _spread(dests: tuple[Dest, ...], found: Tiers) -> tuple[Dest, ...]:
    """Share the weight of each tier among its nodes."""
    common = math.lcm(*map(len, found.levels))
    return tuple(
        Dest(node.number, dest.weight * common // len(found.levels[dest.nid]))
        for dest in dests
        if dest.nid < len(found.levels)
        for node in found.levels[dest.nid]
    )
