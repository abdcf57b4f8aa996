"""Where a snapshot's regions come from: the trace, or the files below a scheme."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from damon_tuner.errors import KernelRejectedError, TunerError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Intervals,
    Region,
    Scheme,
)
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.kernel import Kernel
from damon_tuner.kernel_iface.tracing import Aggregation, AggregationReader, TraceInstance
from damon_tuner.kernel_iface.tracing.aggregations import EVENT

RegionsBy = Literal["auto", "trace", "files"]
"""The trace where it can be had, or one of the two only."""

# Shows every region: only a scheme's regions can be read, and only while it is active. It
# comes last, so that the other schemes have the indices that their owner gave them.
OBSERVER = Scheme(Action.STAT, AccessPattern())

# What one region takes in a trace buffer, and how many aggregations are to fit.
_EVENT_BYTES = 80
_BUFFERED_AGGREGATIONS = 2
_LEAST_BUFFER_BYTES = 128 << 10

_LATE_S = 1.0
_POLLS_PER_AGGREGATION = 10
_NS_PER_US = 1_000


class RegionSource(Protocol):
    """One way to see the regions of kdamond 0."""

    def with_observer(self, schemes: Sequence[Scheme]) -> tuple[Scheme, ...]:
        """Return the schemes to run, with what this way needs after them."""

    def open(self, damon: Damon) -> None:
        """Begin, once DAMON runs."""

    def regions(self, damon: Damon, intervals: Intervals) -> tuple[Region, ...]:
        """Return every region, by address; takes up to one aggregation interval."""

    def close(self) -> None:
        """End; may be called any number of times."""


class FileRegions:
    """The regions that a scheme for all of them was tried on: needs that scheme, and waits."""

    def with_observer(self, schemes: Sequence[Scheme]) -> tuple[Scheme, ...]:
        """Return the schemes, and the observer after them."""
        return (*schemes, OBSERVER)

    def open(self, damon: Damon) -> None:
        """Nothing to do."""

    def regions(self, damon: Damon, intervals: Intervals) -> tuple[Region, ...]:
        """Let the kernel write every region to files."""
        if damon.running()[0].schemes[-1:] != (OBSERVER,):
            raise KernelRejectedError("the schemes were lost in a failed change: apply them again")
        return damon.regions(0)

    def close(self) -> None:
        """Nothing to do."""


class TracedRegions:
    """What DAMON reported last: no scheme, no lock, and at most a wait for the first report."""

    def __init__(self, kernel: Kernel, trace: TraceInstance) -> None:
        self._kernel = kernel
        self._trace = trace
        self._reader: AggregationReader | None = None
        self._newest: Aggregation | None = None

    def with_observer(self, schemes: Sequence[Scheme]) -> tuple[Scheme, ...]:
        """Return the schemes alone."""
        return tuple(schemes)

    def open(self, damon: Damon) -> None:
        """Begin to read the reports of kdamond 0; the trace records already."""
        self._reader = AggregationReader(self._trace.format(EVENT), damon.pid(0))
        self._newest = None

    def regions(self, damon: Damon, intervals: Intervals) -> tuple[Region, ...]:
        """Return the newest report; while DAMON has nothing to report, there are no regions.

        It sleeps while watermarks deactivate every scheme, and while it is paused: what it
        reported before is no picture of now.
        """
        aggregation_s = intervals.aggr_us / 1e6
        patience_us = int((2 * aggregation_s + _LATE_S) * 1e6)
        deadline_us = self._kernel.now_us() + patience_us
        while (found := self._read(patience_us)) is None and self._kernel.now_us() < deadline_us:
            self._kernel.wait(aggregation_s / _POLLS_PER_AGGREGATION)
        return () if found is None else found.regions

    def close(self) -> None:
        """Remove the trace instance."""
        self._trace.close()

    def _read(self, patience_us: int) -> Aggregation | None:
        """Return the newest report that is no older than ``patience_us``."""
        if self._reader is None:
            raise RuntimeError("the trace is not open: call open first")
        self._newest = self._reader.latest(self._trace) or self._newest
        # The trace has the clock of the kernel's ``now_us``.
        oldest_us = self._kernel.now_us() - patience_us
        if self._newest is not None and self._newest.time_ns < oldest_us * _NS_PER_US:
            self._newest = None
        return self._newest


def region_source(
    how: RegionsBy, context: Context, kernel: Kernel, root: Path | None
) -> RegionSource:
    """Open the way that was asked for; ``auto`` takes the files where there is no trace.

    A kernel that is not this machine's has no ``root``, and no trace. The trace does not show
    the hits of probes, nor several targets.

    Raises:
        TunerError: the trace was asked for and cannot be had.
        ValueError: the trace was asked for, of a kernel that has none.
    """
    if how == "files":
        return FileRegions()
    if root is None:
        if how == "trace":
            raise ValueError("only this machine's kernel has a trace: read the files")
        return FileRegions()
    if how == "auto" and (context.attrs.probes or len(context.targets) > 1):
        return FileRegions()
    needed = context.attrs.max_nr_regions * _EVENT_BYTES * _BUFFERED_AGGREGATIONS
    trace = TraceInstance([EVENT], buffer_bytes=max(needed, _LEAST_BUFFER_BYTES), root=root)
    try:
        trace.open()
    except TunerError:
        if how == "trace":
            raise
        return FileRegions()
    return TracedRegions(kernel, trace)
