"""What one tenant wants of its host until its next decision."""

from __future__ import annotations

from dataclasses import dataclass

from damon_tuner.kernel_iface.host import Scheme


@dataclass(frozen=True, slots=True)
class Plan:
    """Schemes for the tenant's own addresses, for the nodes' physical memory, and the hardware.

    Nodes are told by their place among the host's tiers, fastest first: a ``nid`` in ``dests`` of
    ``schemes`` is such a place. Who carries the plan out gives ``promote`` and ``demote`` their
    target node (the next faster and the next slower one), the nodes of their goals (the target's
    for promotion, the scheme's own for demotion), and where the host has several tenants a filter
    that leaves other tenants' pages alone.

    What a host has only once, it sets to the most careful of what its tenants ask for.
    """

    schemes: tuple[Scheme, ...] = ()
    """By virtual address; page-out, where there is any, comes first."""
    promote: Scheme | None = None
    """By physical address, on each node but the fastest."""
    demote: Scheme | None = None
    """By physical address, on each node but the slowest."""
    fast_free_bytes: int | None = None
    """Of the fastest node, what is to be free; None leaves that open."""
    spare_bytes: int | None = None
    """Memory that stays online and free; None leaves memory blocks alone."""
    clock_cap: float | None = None
    """Of the memory clock, the share of its speed, above 0; None leaves it alone."""
