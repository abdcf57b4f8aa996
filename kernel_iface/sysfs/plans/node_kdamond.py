"""One kdamond that monitors the physical memory of one node, for the schemes of its tenants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from damon_tuner.kernel_iface.host import (
    Context,
    KdamondSpec,
    MonitoringAttrs,
    Operations,
    Region,
    Scheme,
    SchemeStats,
    Target,
)
from damon_tuner.kernel_iface.sysfs.lease import LEASE_FILE, Lease
from damon_tuner.kernel_iface.sysfs.plans.node_schemes import NodeScheme
from damon_tuner.kernel_iface.sysfs.plans.tally import MovedTally
from damon_tuner.kernel_iface.sysfs.region_source import (
    FileRegions,
    RegionSource,
    observer_dropped,
)
from damon_tuner.kernel_iface.sysfs.session import Session

Ranges = tuple[tuple[int, int], ...]


class NodeKdamond:
    """Off until it is given schemes; ``owner`` is the only tenant whose demotion it may have.

    DAMOS sets the age of a region back when it tries any scheme on it, also where filters leave
    all of its pages alone: a second scheme for cold memory of another tenant would hardly ever
    find a region that is old enough.
    """

    def __init__(
        self, session: Session, node: int, attrs: MonitoringAttrs, lease_s: float | None
    ) -> None:
        self.node = node
        self.owner = ""
        self.tally = MovedTally()
        self._session = session
        self._attrs = attrs
        self._lease = None if lease_s is None else Lease(lease_s)
        self._source: RegionSource = FileRegions()
        self._slot: int | None = None
        self._schemes: tuple[NodeScheme, ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether it monitors."""
        return self._slot is not None

    @property
    def schemes(self) -> tuple[NodeScheme, ...]:
        """What it runs, as it was given."""
        return self._schemes

    def run(self, schemes: Sequence[NodeScheme], ranges: Ranges) -> None:
        """Come to these schemes, over these ranges of physical memory.

        Raises what ``SessionHost.start`` and ``SessionHost.apply`` raise; what ran runs on.
        """
        wanted = tuple(schemes)
        if self._slot is None:
            self._start(wanted, ranges)
        elif (wanted, ranges) != (self._schemes, self._ranges()):
            # What has been moved until now is of those that run now.
            self._count()
            self._apply(wanted, ranges)
        self._schemes = wanted

    def look(self) -> None:
        """Count what was moved, and renew the lease where it is time to.

        Raises:
            TakenOverError: somebody else has taken DAMON.
            TunerError: monitoring has ended, or what ``Tree`` raises.
        """
        if self._slot is None:
            return
        self._session.damon.require_ours(self._slot)
        stats = self._count()
        if self._lease is not None:
            now_us = self._session.kernel.now_us()
            self._lease.observe(stats, now_us)
            if self._lease.is_overdue(now_us):
                self._apply(self._schemes, self._ranges())

    def regions(self) -> tuple[Region, ...]:
        """Return every region; raises what ``RegionSource.regions`` raises."""
        return () if self._slot is None else self._source.regions(self._attrs.intervals)

    def stop(self) -> None:
        """Switch it off; may be called again. Raises ``NotRestoredError``."""
        slot = self._slot
        try:
            if slot is not None and self._session.is_open:
                self._session.damon.stop_one(slot)
                self._session.free_slot(slot)
        finally:
            self._source.close()
        self._slot, self._schemes, self.owner = None, (), ""

    def _start(self, schemes: tuple[NodeScheme, ...], ranges: Ranges) -> None:
        context = Context(Operations.PADDR, self._attrs, ranges=ranges)
        damon, self._slot = self._session.damon, self._session.take_slot()
        self.tally.begin()
        try:
            self._source = self._session.region_source(context)
            running = self._source.with_observer(self._leased(schemes))
            damon.start_one(self._slot, KdamondSpec(context, running))
            self._source.open(damon, self._slot)
        except BaseException:
            self.stop()
            raise
        self.tally.run(_keys(schemes))

    def _apply(self, schemes: tuple[NodeScheme, ...], ranges: Ranges) -> None:
        damon, slot = self._session.damon, self._slot
        assert slot is not None
        damon.require_ours(slot, with_schemes=True)
        context = replace(damon.running()[slot].context, targets=(Target(ranges=ranges),))
        spec = KdamondSpec(context, self._source.with_observer(self._leased(schemes)))
        # Held back, it could only be refused in the middle of another tenant's round.
        for step in (observer_dropped(damon.running()[slot], spec), spec):
            if step is not None:
                damon.apply_one(slot, step, is_urgent=True)
        self.tally.run(_keys(schemes))

    def _ranges(self) -> Ranges:
        return self._session.damon.running()[self._slot or 0].context.targets[0].ranges

    def _count(self) -> tuple[SchemeStats, ...]:
        if self._slot is None:
            return ()
        stats = self._session.damon.stats(self._slot)[: len(self._schemes)]
        self.tally.look(stats)
        return stats

    def _leased(self, schemes: Sequence[NodeScheme]) -> tuple[Scheme, ...]:
        bare = tuple(each.scheme for each in schemes)
        if self._lease is None or not self._session.damon.features.has(LEASE_FILE):
            return bare
        return self._lease.granted(bare, self._attrs.intervals, self._session.kernel.now_us())


def _keys(schemes: Sequence[NodeScheme]) -> list[tuple[str, bool]]:
    return [(each.tenant, each.is_promotion) for each in schemes]
