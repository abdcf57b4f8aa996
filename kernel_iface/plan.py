"""What one tenant wants of its host until its next decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.host import Host, Scheme


@dataclass(frozen=True, slots=True)
class Plan:
    """Schemes for the tenant's own addresses, for the nodes' physical memory, and the hardware.

    Nodes are told by their place among the host's tiers, fastest first: a ``nid`` in ``dests`` of
    ``schemes`` is such a place. Who carries the plan out gives ``promote`` and ``demote`` their
    target node (the next faster and the next slower one), the nodes of their goals (the target for
    promotion, the node itself for demotion), and where the host has several tenants a filter that
    leaves other tenants' pages alone.

    What a host has only once, it sets to the most careful of what its tenants ask for.
    """

    schemes: tuple[Scheme, ...] = ()
    """By virtual address; page-out, where there is any, comes first."""
    promote: Scheme | None = None
    """By physical address, on each node but the fastest."""
    demote: Scheme | None = None
    """By physical address, on each node but the slowest."""
    spare_bytes: int | None = None
    """Memory that stays online and free; None leaves memory blocks alone."""
    clock_cap: float | None = None
    """Of the memory clock, the share of its speed, above 0; None leaves it alone."""

    @property
    def is_for_the_host(self) -> bool:
        """Whether it asks for more than schemes for the tenant's own addresses."""
        whole = (self.promote, self.demote, self.spare_bytes, self.clock_cap)
        return any(each is not None for each in whole)


@runtime_checkable
class PlanHost(Host, Protocol):
    """A host that can do all that a plan may ask for."""

    def carry_out(self, plan: Plan) -> None:
        """Replace the running plan; raises what ``apply`` does."""


def carry_out(host: Host, plan: Plan) -> None:
    """Let ``host`` follow ``plan`` from now on.

    Raises:
        TunerError: the plan is for nodes or memory blocks, and the host knows neither.
    """
    if isinstance(host, PlanHost):
        host.carry_out(plan)
    elif plan.is_for_the_host:
        raise TunerError(
            "this policy sets tiers or memory power: it needs a host that was told so (groups)"
        )
    else:
        host.apply(plan.schemes)
