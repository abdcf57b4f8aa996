"""What acting would do: an account of the memory that would be out, and of its faults.

Nothing is paged out in shadow mode, so nothing faults, and a policy that sees only that would
never learn what its decisions cost. This account pages out on paper. It knows which addresses
would be out; those of them that DAMON sees accessed come back, each page with a fault. Others come
back unseen: DAMON looks at one page of a region in each sampling interval, and what it has seen
idle for T seconds may well be accessed once in T seconds and page. What came back goes out again
when it has been idle for long enough.

The assumptions: the pages of a region are accessed alike, as DAMON assumes; memory that nothing is
mapped at lies in idle regions; what is paged out compresses as the host's swap does now, or to a
third. What comes out is likely, not certain.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from damon_tuner.kernel_iface.host import (
    Action,
    Region,
    Scheme,
    SchemeStats,
    Snapshot,
    WatermarkMetric,
)

Ranges = list[tuple[int, int]]

_PAGE_BYTES = 4096
_NEVER = 1 << 32
_COMPRESSED_SHARE = 1 / 3

# Accesses to a page in the time in which none was seen: a prior that knows nothing says a half,
# but most memory that is idle stays so; over the simulator's loads this comes closest.
_UNSEEN = 0.2


class ShadowAccount:
    """Turns what a host shows into what it would show had the decisions been carried out.

    One fault brings ``readahead_pages`` from swap.
    """

    def __init__(self, readahead_pages: int = 8) -> None:
        self._readahead_pages = readahead_pages
        self._out: Ranges = []
        # What came back unseen from the ranges that are out: when, and how many bytes.
        self._back: deque[tuple[int, float]] = deque()
        self._density = 0.0
        self._faults = 0.0
        self._stats: tuple[SchemeStats, ...] = ()
        self._schemes: tuple[Scheme, ...] = ()
        self._before_us: int | None = None

    def decide(self, schemes: Sequence[Scheme]) -> None:
        """Take note of the schemes that would run from now on; only page-out is accounted for."""
        self._schemes = tuple(schemes)
        kept = self._stats[: len(schemes)]
        self._stats = (*kept, *[SchemeStats()] * (len(schemes) - len(kept)))

    def seen(self, snapshot: Snapshot) -> Snapshot:
        """Let the schemes have run until now; return the snapshot that would have been seen."""
        density = self._density = _idle_density(snapshot, self._density)
        self._come_back_unseen(snapshot, density)
        for region in snapshot.regions:
            if region.nr_accesses or self._is_younger(region, snapshot):
                back = _overlap(self._out, region.start, region.end)
                self._out = _without(self._out, region.start, region.end)
                # what lies beside a page that is wanted is wanted too
                self._faults += back * density / _PAGE_BYTES / self._readahead_pages
        if self._before_us is not None:
            self._page_out(snapshot, (snapshot.time_us - self._before_us) / 1e6)
        self._before_us = snapshot.time_us
        return self._as_if(snapshot, density)

    def _come_back_unseen(self, snapshot: Snapshot, density: float) -> None:
        if self._before_us is None:
            return
        passed_us = snapshot.time_us - self._before_us
        out = returned = 0.0
        for region in snapshot.regions:
            overlap = _overlap(self._out, region.start, region.end) * density
            idle_us = max(region.age * snapshot.intervals.aggr_us, passed_us)
            out += overlap
            returned += overlap * _UNSEEN * passed_us / idle_us
        # what is back already does not come back
        returned *= max(1.0 - sum(size for _, size in self._back) / out, 0.0) if out else 0.0
        self._faults += returned / _PAGE_BYTES
        self._back.append((snapshot.time_us, returned))
        again_us = min(
            (s.pattern.min_age for s in self._schemes if s.action is Action.PAGEOUT),
            default=_NEVER,
        )
        oldest_us = snapshot.time_us - again_us * snapshot.intervals.aggr_us
        while self._back and self._back[0][0] <= oldest_us:
            self._back.popleft()

    def _is_younger(self, region: Region, snapshot: Snapshot) -> bool:
        """Whether a region that is idle now was accessed since the last snapshot."""
        if self._before_us is None:
            return False
        idle_us = region.age * snapshot.intervals.aggr_us
        return idle_us < snapshot.time_us - self._before_us

    def _page_out(self, snapshot: Snapshot, passed_s: float) -> None:
        stats = []
        for scheme, before in zip(self._schemes, self._stats, strict=True):
            tried = 0
            if scheme.action is Action.PAGEOUT and _is_active(scheme, snapshot):
                tried = self._tried_bytes(scheme, snapshot.regions, passed_s)
            stats.append(replace(before, sz_tried_bytes=before.sz_tried_bytes + tried))
        self._stats = tuple(stats)

    def _tried_bytes(self, scheme: Scheme, regions: Iterable[Region], passed_s: float) -> int:
        """Page out the longest idle first; a quota is also spent on what is out already."""
        most = left = _quota_bytes(scheme, passed_s)
        pattern = scheme.pattern
        matching = [
            region
            for region in regions
            if pattern.min_nr_accesses <= region.nr_accesses <= pattern.max_nr_accesses
            and pattern.min_age <= region.age <= pattern.max_age
            and pattern.min_sz_bytes <= region.end - region.start <= pattern.max_sz_bytes
        ]
        for region in sorted(matching, key=lambda region: region.age, reverse=True):
            size = min(region.end - region.start, int(left) if math.isfinite(left) else 1 << 62)
            if size <= 0:
                break
            self._out = _with(self._out, region.start, region.start + size)
            left -= size
        walked = sum(region.end - region.start for region in matching)
        return int(min(most, walked)) if math.isfinite(most) else walked

    def _as_if(self, snapshot: Snapshot, density: float) -> Snapshot:
        back = sum(size for _, size in self._back)
        out = int(max(sum(end - start for start, end in self._out) * density - back, 0.0))
        out = min(out, snapshot.resident_bytes)
        swapped = snapshot.swap_total_bytes - snapshot.swap_free_bytes
        share = snapshot.compressed_bytes / swapped if swapped > 0 else _COMPRESSED_SHARE
        return replace(
            snapshot,
            resident_bytes=snapshot.resident_bytes - out,
            swapped_bytes=snapshot.swapped_bytes + out,
            compressed_bytes=snapshot.compressed_bytes + int(out * min(share, 1.0)),
            swap_free_bytes=max(snapshot.swap_free_bytes - out, 0),
            major_faults=snapshot.major_faults + int(self._faults),
            # as many pages as faults, or those faults would be taken for ones of files
            swap_ins=snapshot.swap_ins + int(self._faults),
            scheme_stats=self._stats,
        )


def _idle_density(snapshot: Snapshot, before: float) -> float:
    """How much of the idle addresses has memory behind it, from 0 to 1; as ``before`` if none."""
    idle = accessed = 0
    for region in snapshot.regions:
        if region.nr_accesses:
            accessed += region.end - region.start
        else:
            idle += region.end - region.start
    memory = snapshot.resident_bytes + snapshot.swapped_bytes
    return min(max(memory - accessed, 0) / idle, 1.0) if idle else before


def _is_active(scheme: Scheme, snapshot: Snapshot) -> bool:
    marks = scheme.watermarks
    if marks.metric is not WatermarkMetric.FREE_MEM_RATE:
        return True
    free = snapshot.memory_free_bytes * 1_000 // max(snapshot.memory_total_bytes, 1)
    return marks.low_permille <= free <= marks.mid_permille


def _quota_bytes(scheme: Scheme, passed_s: float) -> float:
    quota = scheme.quota
    if not quota.sz_bytes:
        return math.inf
    return quota.sz_bytes * passed_s * 1e3 / max(quota.reset_interval_ms, 1)


def _overlap(ranges: Ranges, start: int, end: int) -> int:
    return sum(max(min(e, end) - max(s, start), 0) for s, e in ranges)


def _without(ranges: Ranges, start: int, end: int) -> Ranges:
    left = [(s, min(e, start)) for s, e in ranges if s < start]
    return left + [(max(s, end), e) for s, e in ranges if e > end]


def _with(ranges: Ranges, start: int, end: int) -> Ranges:
    """Add a range, joined with those that it touches."""
    apart = [(s, e) for s, e in ranges if e < start or s > end]
    touching = [(s, e) for s, e in ranges if not (e < start or s > end)]
    joined = (min([start, *(s for s, _ in touching)]), max([end, *(e for _, e in touching)]))
    return sorted([*apart, joined])
