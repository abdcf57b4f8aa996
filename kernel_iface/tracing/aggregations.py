"""DAMON's regions at each aggregation, from the trace event that it emits for every region.

The event comes before the counters are reset and the regions are split: what it shows is what
schemes act upon, and what ``tried_regions`` of a scheme for all regions would show, without a
lock, without waiting, and without a file for each number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import repeat
from operator import gt, itemgetter
from typing import Protocol

from damon_tuner.kernel_iface.host import Region
from damon_tuner.kernel_iface.tracing.formats import EventFormat, PageLayout
from damon_tuner.kernel_iface.tracing.pages import Record
from damon_tuner.kernel_iface.tracing.rows import Row, newest_first, rows_in, rows_of

EVENT = "damon/damon_aggregated"

PROBED_EVENT = "damon/damon_region_aggregated"
"""The same with the hits of probes, where there are any (Linux 7.2)."""

_FIELDS = (
    *("common_type", "common_pid", "target_id", "nr_regions"),
    *("start", "end", "nr_accesses", "age"),
)
_PROBED_FIELDS = (
    *("common_type", "common_pid", "target_id", "start", "end"),
    *("nr_regions", "nr_accesses", "age", "probe_hits"),
)

# start, end, nr_accesses, age, and a number for each probe
_Region = tuple[int, ...]
_Complete = tuple[int, int, list[_Region]]

# The first fields are the same of every region in an aggregation.
_NR_COMMON = 4
_NR_REGIONS = _FIELDS.index("nr_regions")
_REGION = tuple(field.name for field in fields(Region))
_NR_PLAIN = _REGION.index("probe_hits")

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

    With ``kdamond_pid`` only those of that kernel thread count, and with ``nr_probes`` the event
    is ``damon_region_aggregated``. An aggregation of which an event was lost is left out.
    """

    def __init__(
        self, event: EventFormat, kdamond_pid: int | None = None, *, nr_probes: int = 0
    ) -> None:
        self._event_id = event.event_id
        self._kdamond_pid = kdamond_pid
        self._in_order: Callable[[tuple[int, ...]], tuple[int, ...]] | None = None
        if not nr_probes:
            self._decoder = event.decoder(_FIELDS)
        else:
            # the hits lie behind the fields, which only tell that they do
            self._decoder = event.decoder(_PROBED_FIELDS, f"{nr_probes}B")
            hits = range(len(_PROBED_FIELDS), len(_PROBED_FIELDS) + nr_probes)
            self._in_order = itemgetter(*map(_PROBED_FIELDS.index, _FIELDS), *hits)
        self._target = _NO_TARGET
        self._pending: list[_Region] = []

    def feed(self, records: Iterable[Record]) -> list[Aggregation]:
        """Return the aggregations that ``records``, in the order of time, complete."""
        rows = self._ours(rows_in(records, self._decoder))
        return [_aggregation(*found) for found in self._complete(rows)]

    def latest(self, trace: TracePages) -> Aggregation | None:
        """Return the newest aggregation recorded since the last call, if there is one."""
        pending = self._target, self._pending

        def decode(page: bytes) -> list[Row]:
            return self._ours(rows_of(page, trace.layout, self._decoder))

        for rows, is_all in newest_first(trace.pages_by_cpu(), decode):
            if not is_all and len(rows) < self._nr_regions(rows):
                continue
            if (found := self._ending(rows)) is not None:
                self._pending = []
                return found
            # What began before the last call goes on only where nothing was left out since.
            self._target, self._pending = pending if is_all else (_NO_TARGET, [])
            newest = deque(self._complete(rows), maxlen=1)
            if newest:
                return _aggregation(*newest[0])
        return None

    def latest_of(self, trace: TracePages, nr_targets: int) -> tuple[Aggregation, ...]:
        """Return the newest aggregation of each target recorded since the last call, in order.

        A target that has no regions reports nothing, and is left out.
        """
        if nr_targets == 1:
            newest = self.latest(trace)
            return () if newest is None else (newest,)

        def decode(page: bytes) -> list[Row]:
            return self._ours(rows_of(page, trace.layout, self._decoder))

        found: dict[int, _Complete] = {}
        for rows, _ in newest_first(trace.pages_by_cpu(), decode):
            self._target, self._pending = _NO_TARGET, []
            found = {each[1]: each for each in self._complete(rows) if each[1] < nr_targets}
            if len(found) == nr_targets:
                break
        return tuple(_aggregation(*found[target]) for target in sorted(found))

    def _ours(self, rows: list[Row]) -> list[Row]:
        """Leave out other threads' rows, and put the fields in order where they have another."""
        if self._kdamond_pid is not None:
            # page by page, because those of many kdamonds would take much memory together
            rows = [row for row in rows if row[1][1] == self._kdamond_pid]
        if self._in_order is None:
            return rows
        return [(time_ns, self._in_order(values)) for time_ns, values in rows]

    def _nr_regions(self, rows: Sequence[Row]) -> int:
        """How many rows the newest aggregation takes."""
        return rows[-1][1][_NR_REGIONS] if rows else 1

    def _ending(self, rows: Sequence[Row]) -> Aggregation | None:
        """Make an aggregation of the last rows, where they are one and nothing has come since.

        That is the usual case, and column by column takes half as long as row by row.
        """
        count = self._nr_regions(rows)
        if not 0 < count <= len(rows):
            return None
        times_ns, values = zip(*rows[-count:], strict=True)
        columns = tuple(zip(*values, strict=True))
        common, (starts, ends, *_) = columns[:_NR_COMMON], columns[_NR_COMMON:]
        kind, pid, target_id, _ = (column[0] for column in common)
        is_one = all(column.count(column[0]) == count for column in common)
        if not is_one or not self._is_ours(kind, pid) or any(map(gt, ends, starts[1:])):
            return None
        return Aggregation(times_ns[-1], target_id, _regions(columns[_NR_COMMON:]))

    def _is_ours(self, kind: int, pid: int) -> bool:
        return kind == self._event_id and self._kdamond_pid in (None, pid)

    def _complete(self, rows: Iterable[Row]) -> Iterator[_Complete]:
        for time_ns, (kind, pid, target_id, nr_regions, *region) in rows:
            if not self._is_ours(kind, pid):
                continue
            target = (pid, target_id, nr_regions)
            if target != self._target or (self._pending and region[0] < self._pending[-1][1]):
                self._target, self._pending = target, []
            self._pending.append(tuple(region))
            if len(self._pending) == nr_regions:
                yield time_ns, target_id, self._pending
                self._pending = []


def _aggregation(time_ns: int, target_id: int, found: list[_Region]) -> Aggregation:
    return Aggregation(time_ns, target_id, _regions(tuple(zip(*found, strict=True))))


def _regions(columns: Sequence[tuple[int, ...]]) -> tuple[Region, ...]:
    """Make all regions at once, field by field: one by one takes three times as long."""
    regions = tuple(map(object.__new__, repeat(Region, len(columns[0]))))
    plain, hits = columns[:_NR_PLAIN], columns[_NR_PLAIN:]
    probe_hits: Iterable[tuple[int, ...]] = zip(*hits, strict=True) if hits else repeat(())
    for name, values in zip(_REGION, (*plain, probe_hits), strict=True):
        deque(map(getattr(Region, name).__set__, regions, values), maxlen=0)
    return regions
