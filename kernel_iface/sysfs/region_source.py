"""Where a snapshot's regions come from: the trace, or the files below a scheme."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Literal, Protocol

from damon_tuner.errors import KernelRejectedError, TunerError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Intervals,
    KdamondSpec,
    Region,
    Scheme,
)
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.kernel import Kernel
from damon_tuner.kernel_iface.tracing import Aggregation, AggregationReader, Tap
from damon_tuner.kernel_iface.tracing.aggregations import EVENT, PROBED_EVENT

RegionsBy = Literal["auto", "trace", "files"]
"""The trace where it can be had, or one of the two only."""

# Shows every region: only a scheme's regions can be read, and only while it is active. It
# comes last, so that the other schemes have the indices that their owner gave them.
OBSERVER = Scheme(Action.STAT, AccessPattern())

_LATE_S = 1.0
_POLLS_PER_AGGREGATION = 10
_NS_PER_US = 1_000


class RegionSource(Protocol):
    """One way to see the regions of a kdamond."""

    def with_observer(self, schemes: Sequence[Scheme]) -> tuple[Scheme, ...]:
        """Return the schemes to run, with what this way needs after them."""

    def open(self, damon: Damon, kdamond: int) -> None:
        """Begin, once that kdamond runs."""

    def regions(self, intervals: Intervals) -> tuple[Region, ...]:
        """Return every region, target by target; takes up to one aggregation interval."""

    def close(self) -> None:
        """End; may be called any number of times."""


class FileRegions:
    """The regions that a scheme for all of them was tried on: needs that scheme, and waits."""

    def __init__(self) -> None:
        self._damon: Damon | None = None
        self._kdamond = 0

    def with_observer(self, schemes: Sequence[Scheme]) -> tuple[Scheme, ...]:
        """Return the schemes, and the observer after them."""
        return (*schemes, OBSERVER)

    def open(self, damon: Damon, kdamond: int) -> None:
        """Nothing to prepare."""
        self._damon, self._kdamond = damon, kdamond

    def regions(self, intervals: Intervals) -> tuple[Region, ...]:
        """Let the kernel write every region to files."""
        if self._damon is None:
            raise RuntimeError("the files are not open: call open first")
        if self._damon.running()[self._kdamond].schemes[-1:] != (OBSERVER,):
            raise KernelRejectedError("the schemes were lost in a failed change: apply them again")
        return self._damon.regions(self._kdamond)

    def close(self) -> None:
        """Nothing to do."""


class TracedRegions:
    """What DAMON reported last: no scheme, no lock, and at most a wait for the first report."""

    def __init__(self, kernel: Kernel, trace: Tap, nr_probes: int = 0) -> None:
        self._kernel = kernel
        self._trace = trace
        self._nr_probes = nr_probes
        self._damon: Damon | None = None
        self._kdamond = 0
        self._reader: AggregationReader | None = None
        self._newest: tuple[Aggregation, ...] = ()

    def with_observer(self, schemes: Sequence[Scheme]) -> tuple[Scheme, ...]:
        """Return the schemes alone."""
        return tuple(schemes)

    def open(self, damon: Damon, kdamond: int) -> None:
        """Begin to read the reports of that kdamond; the trace records already."""
        self._damon, self._kdamond = damon, kdamond
        event = self._trace.format(PROBED_EVENT if self._nr_probes else EVENT)
        self._reader = AggregationReader(event, damon.pid(kdamond), nr_probes=self._nr_probes)
        self._newest = ()

    def regions(self, intervals: Intervals) -> tuple[Region, ...]:
        """Return the newest report; while DAMON has nothing to report, there are no regions.

        It sleeps while watermarks deactivate every scheme, and while it is paused: what it
        reported before is no picture of now.
        """
        aggregation_s = intervals.aggr_us / 1e6
        patience_us = int((2 * aggregation_s + _LATE_S) * 1e6)
        deadline_us = self._kernel.now_us() + patience_us
        while not (found := self._read(patience_us)) and self._kernel.now_us() < deadline_us:
            self._kernel.wait(aggregation_s / _POLLS_PER_AGGREGATION)
        return tuple(chain.from_iterable(each.regions for each in found))

    def close(self) -> None:
        """Read the trace no more."""
        self._trace.close()

    def _read(self, patience_us: int) -> tuple[Aggregation, ...]:
        """Return the newest reports that are no older than ``patience_us``."""
        if self._reader is None or self._damon is None:
            raise RuntimeError("the trace is not open: call open first")
        nr_targets = len(self._damon.running()[self._kdamond].context.targets)
        read = self._reader.latest_of(self._trace, max(nr_targets, 1))
        # The trace has the clock of the kernel's ``now_us``.
        oldest_ns = (self._kernel.now_us() - patience_us) * _NS_PER_US
        self._newest = tuple(e for e in read or self._newest if e.time_ns >= oldest_ns)
        return self._newest


def observer_dropped(before: KdamondSpec, wanted: KdamondSpec) -> KdamondSpec | None:
    """Return what to change to on the way from ``before`` to ``wanted``, if anything.

    The kernel matches schemes by index, and would hand the observer's statistics to the scheme
    that takes its place: it has to drop the observer first.
    """
    # a scheme that merely equals the observer may be somebody's own
    is_observed = bool(wanted.schemes) and wanted.schemes[-1] is OBSERVER
    is_growing = before.schemes[-1:] == (OBSERVER,) and len(wanted.schemes) > len(before.schemes)
    if not is_observed or not is_growing:
        return None
    return replace(wanted, schemes=wanted.schemes[: len(before.schemes) - 1])


def region_source(
    how: RegionsBy, context: Context, kernel: Kernel, tap: Callable[[str], Tap] | None
) -> RegionSource:
    """Open the way that was asked for; ``auto`` takes the files where there is no trace.

    ``tap`` opens the trace of an event; a kernel that is not this machine's has none. With
    probes it takes an event that came with Linux 7.2.

    Raises:
        TunerError: the trace was asked for and cannot be had.
        ValueError: the trace was asked for, of a kernel that has none.
    """
    if how == "files":
        return FileRegions()
    if tap is None:
        if how == "trace":
            raise ValueError("only this machine's kernel has a trace: read the files")
        return FileRegions()
    nr_probes = len(context.attrs.probes)
    try:
        return TracedRegions(kernel, tap(PROBED_EVENT if nr_probes else EVENT), nr_probes)
    except TunerError:
        if how == "trace":
            raise
        return FileRegions()
