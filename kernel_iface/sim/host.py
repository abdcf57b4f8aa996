"""One simulated host behind the same interface as a real one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Intervals,
    MonitoringAttrs,
    Operations,
    Region,
    Scheme,
    SchemeStats,
    Snapshot,
)
from damon_tuner.kernel_iface.plan import Plan

_FAST, _SLOW = 0, 1
# matches no region
_NOTHING = Scheme(Action.STAT, AccessPattern(0, 0, 0, 0, 0, 0))


@dataclass(frozen=True, slots=True)
class SimContext:
    """One monitoring context of a simulated host.

    ``targets`` are tenants by number, for ``vaddr``; ``nodes`` are 0 for fast memory and 1 for
    slow, for ``paddr``. Probes need ``paddr``.
    """

    operations: Operations = Operations.VADDR
    attrs: MonitoringAttrs = field(default_factory=MonitoringAttrs)
    targets: tuple[int, ...] = ()
    nodes: tuple[int, ...] = ()


def observe(batch: _core.Batch, host: int, intervals: Intervals) -> Snapshot:
    """Observe a host of one tenant; ``intervals`` are those with which its monitoring began."""
    fields = batch.snapshot(host)
    regions = tuple(Region(*region) for region in fields.pop("regions"))
    stats = tuple(SchemeStats(*row) for row in fields.pop("scheme_stats"))
    # auto-tuning moves them
    intervals = replace(
        intervals, sample_us=fields.pop("sample_us"), aggr_us=fields.pop("aggr_us")
    )
    return Snapshot(intervals=intervals, regions=regions, scheme_stats=stats, **fields)


def carry_out(batch: _core.Batch, host: int, plan: Plan, *, watches_nodes: bool) -> None:
    """Commit a plan to a host of one tenant.

    With ``watches_nodes`` the batch has the knob group "tiering"; a host with one tier has no node
    to watch, and nothing to do for what the plan says of nodes.
    """
    batch.set_schemes(host, plan.schemes)
    if watches_nodes and plan.demote is not None and batch.machine(host)["slow_bytes"] > 0.0:
        batch.set_schemes(host, (replace(plan.demote, target_nid=_SLOW),), 1 + _FAST)
        promote = plan.promote or _NOTHING
        batch.set_schemes(host, (replace(promote, target_nid=_FAST),), 1 + _SLOW)
    if plan.spare_bytes is not None:
        batch.keep_spare(host, plan.spare_bytes, plan.clock_cap or 1.0)


class SimHost:
    """A :class:`~damon_tuner.kernel_iface.host.Host` that lives in the simulator.

    ``spec`` holds the ranges from which the host and its load are drawn, ``seed`` what is drawn.
    The host has one tenant, monitored by ``vaddr``, or by ``paddr`` over all of its memory. For
    the knob group "tiering" among ``groups``, its nodes are monitored as well.
    """

    def __init__(
        self,
        spec: _core.Spec,
        *,
        seed: int,
        attrs: MonitoringAttrs | None = None,
        operations: Operations = Operations.VADDR,
        groups: Collection[str] = ("reclaim",),
    ) -> None:
        attrs = attrs or MonitoringAttrs()
        self._spec = spec
        self._seed = seed
        vaddr = operations is Operations.VADDR
        self._context = SimContext(
            operations, attrs, targets=(0,) if vaddr else (), nodes=() if vaddr else (0, 1)
        )
        self._batch = _core.Batch(
            1,
            1,
            attrs.intervals.sample_us,
            attrs.intervals.aggr_us,
            attrs.min_nr_regions,
            attrs.max_nr_regions,
            groups=groups,
        )
        self._watches_nodes = "tiering" in groups

    def start(self, schemes: Sequence[Scheme]) -> None:
        """Begin a new episode from the seed."""
        # The batch's own decision path is not used here, so its budget does not matter.
        self._batch.reset(0, self._spec, self._seed, 1.0)
        attrs = self._context.attrs
        if not self._context.targets or attrs.intervals_goal.aggrs:
            self._batch.set_contexts(0, (self._context,))
        self._batch.set_schemes(0, schemes)

    def advance(self, seconds: float) -> None:
        """Let simulated time pass."""
        self._batch.step(None, round(seconds * 1e6))

    def snapshot(self) -> Snapshot:
        """Observe the host."""
        return observe(self._batch, 0, self._context.attrs.intervals)

    def apply(self, schemes: Sequence[Scheme]) -> None:
        """Commit schemes."""
        self._batch.set_schemes(0, schemes)

    def carry_out(self, plan: Plan) -> None:
        """Commit a plan."""
        carry_out(self._batch, 0, plan, watches_nodes=self._watches_nodes)

    def set_power(self, offline_blocks: int, clock_cap: float = 1.0) -> None:
        """Ask for memory blocks offline, and cap the memory clock to a share of its speed."""
        self._batch.set_power(0, offline_blocks, clock_cap)

    def machine(self) -> dict[str, Any]:
        """Tiers, memory blocks and energy: what a host shows beside DAMON."""
        return self._batch.machine(0)

    def nr_blocks(self) -> int:
        """How many equal blocks the load's memory is followed in."""
        return len(self._batch.load(0))

    def read_load(self, rates: _core.Buffer, touched: _core.Buffer) -> None:
        """What only the simulator knows: each block's true rate and touched share.

        Both receive a float32 for each block: accesses a second of each page, and a share.
        """
        self._batch.read_load(0, rates, touched)

    def stop(self) -> None:
        """Nothing outside the simulator was changed."""
