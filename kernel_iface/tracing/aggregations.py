"""DAMON's regions at each aggregation, from the trace event that it emits for every region.

The event comes before the counters are reset and the regions are split: what it shows is what
schemes act upon, and what ``tried_regions`` of a scheme for all regions would show, without a
lock, without waiting, and without a file for each number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from damon_tuner.kernel_iface.host import Region
from damon_tuner.kernel_iface.tracing.formats import EventFormat, PageLayout
from damon_tuner.kernel_iface.tracing.pages import Record, newest_first

EVENT = "damon/damon_aggregated"

_FIELDS = (
    *("common_type", "common_pid", "target_id", "nr_regions"),
    *("start", "end", "nr_accesses", "age"),
)

# start, end, nr_accesses, age
_Row = tuple[int, int, int, int]
_Complete = tuple[int, int, list[_Row]]


_NO_TARGET = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """All regions of one target at the end of one aggregation interval, by address."""

    time_ns: int
    """When the last region was reported."""
    target_id: int
    regions: tuple[Region, ...]


class TracePages(Protocol):
    """What a trace has recorded: a trace instance, or a recording of one."""

    @property
    def layout(self) -> PageLayout:
        """Where things lie in a page."""

    def pages_by_cpu(self) -> Sequence[Sequence[bytes]]:
        """Take what was recorded since the last call; the pages of each CPU in their order."""


class AggregationReader:
    """Puts records of ``damon_aggregated`` together again.

    With ``kdamond_pid`` only those of that kernel thread count. An aggregation of which an event
    was lost is left out.
    """

    def __init__(self, event: EventFormat, kdamond_pid: int | None = None) -> None:
        self._event_id = event.event_id
        self._decoder = event.decoder(_FIELDS)
        self._kdamond_pid = kdamond_pid
        self._target = _NO_TARGET
        self._pending: list[_Row] = []

    def feed(self, records: Iterable[Record]) -> list[Aggregation]:
        """Return the aggregations that ``records``, in the order of time, complete."""
        return [_aggregation(*found) for found in self._complete(records)]

    def latest(self, trace: TracePages) -> Aggregation | None:
        """Return the newest aggregation recorded since the last call, if there is one."""
        pending = self._target, self._pending
        for records, is_all in newest_first(trace.pages_by_cpu(), trace.layout):
            # What began before the last call goes on only where nothing was left out since.
            self._target, self._pending = pending if is_all else (_NO_TARGET, [])
            newest = deque(self._complete(records), maxlen=1)
            if newest:
                return _aggregation(*newest[0])
        return None

    def _complete(self, records: Iterable[Record]) -> Iterator[_Complete]:
        unpack, size = self._decoder.unpack_from, self._decoder.size
        for time_ns, payload in records:
            if len(payload) < size:
                continue
            kind, pid, target_id, nr_regions, start, end, nr_accesses, age = unpack(payload)
            if kind != self._event_id or self._kdamond_pid not in (None, pid):
                continue
            target = (pid, target_id, nr_regions)
            if target != self._target or (self._pending and start < self._pending[-1][1]):
                self._target, self._pending = target, []
            self._pending.append((start, end, nr_accesses, age))
            if len(self._pending) == nr_regions:
                yield time_ns, target_id, self._pending
                self._pending = []


def _aggregation(time_ns: int, target_id: int, rows: list[_Row]) -> Aggregation:
    return Aggregation(time_ns, target_id, tuple(Region(*row) for row in rows))
