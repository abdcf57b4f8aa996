"""Plays what a load did while it was recorded in the simulator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.benchmarks.fidelity.distance import Series
from damon_tuner.benchmarks.fidelity.recording import PAGE_BYTES, Recording, Regions
from damon_tuner.kernel_iface.host import (
    Action,
    Intervals,
    MonitoringAttrs,
    Scheme,
    Snapshot,
)
from damon_tuner.kernel_iface.sim import SimHost

PAGES_PER_HUGE_PAGE = 512
# The load accesses its memory this often.
_TICK_S = 1e-3
_SMALL_RANGE_BYTES = 132 << 10
OBSERVER = Scheme(Action.STAT)


def program(recording: Recording) -> NDArray[np.float64]:
    """Rows (from second, start byte, end byte, rate, touched share), as measured.

    Bytes count from the start of what is compared: the load's memory, or with paddr physical
    memory, of which everything that is not the load's is untouched. On huge pages one accessed
    bit stands for 512 pages: what sets it is the accesses of them all.
    """
    pages_per_bit = PAGES_PER_HUGE_PAGE if recording.about["huge"] else 1
    begins_s = np.unique(recording.rates[:, 0])
    rows = []
    for from_s, until_s, start, end, accesses in recording.rates:
        nr_bits = (end - start) / PAGE_BYTES / pages_per_bit
        rate_hz = accesses / nr_bits / (until_s - from_s) * _pacing(nr_bits)
        # what follows begins in time, and the report on what ends comes a moment later
        follower = int(np.searchsorted(begins_s, until_s - _TICK_S))
        ends_s = begins_s[follower] if follower < len(begins_s) else until_s
        for place in _places(recording, start, end):
            rows += [(from_s, 1, *place, rate_hz), (ends_s, 0, *place, 0.0)]
    rows.sort(key=lambda row: row[:2])
    start, end = recording.memory
    filled = float(not recording.about["unfilled"])
    first = [(0.0, *place, 0.0, filled) for place in _places(recording, 0, end - start)]
    later = [(at_s, *place, 1.0) for at_s, _, *place in rows]
    return np.array(first + later)


def _pacing(nr_bits: float) -> float:
    """How much more often a bit is set by paced accesses than by as many at chance times.

    Of k accesses to n bits at random none hits a given one with (1 - 1/n)^k; the simulator's
    accesses, of which there may be any number in an interval, miss it with exp(-k/n). This
    matters for huge pages, of which there are few.
    """
    return float(-nr_bits * np.log1p(-1.0 / nr_bits)) if nr_bits > 1.0 else 1.0


def compared(recording: Recording) -> tuple[int, int]:
    """First and last address of what is compared."""
    if recording.about["operations"] == "vaddr":
        return recording.memory
    return 0, max(end for _, end in recording.about["system_ram"])


def _places(recording: Recording, start: float, end: float) -> list[tuple[float, float]]:
    """Where bytes of the load's memory are in what is compared."""
    if recording.about["operations"] == "vaddr":
        return [(start, end)]
    page, frame, nr = recording.runs.T
    first = np.maximum(page, start // PAGE_BYTES)
    last = np.minimum(page + nr, end // PAGE_BYTES)
    here = first < last
    begin = (frame + first - page)[here] * PAGE_BYTES
    size = (last - first)[here] * PAGE_BYTES
    return [(float(b), float(b + s)) for b, s in zip(begin, size, strict=True)]


def simulate(recording: Recording, seed: int) -> Series:
    """Monitor the recorded load in the simulator, for as long as it was recorded."""
    start, end = compared(recording)
    host = sim_host(recording, seed)
    host.start([OBSERVER])
    found = []
    for _ in recording.time_s:
        host.advance(host_intervals(recording).aggr_us * 1e-6)
        found.append(_reported(host.snapshot(), recording))
    intervals_s = host_intervals(recording).aggr_us * 1e-6
    time_s = np.arange(1, len(found) + 1, dtype=np.float64) * intervals_s
    return Series(
        (end - start) // PAGE_BYTES,
        np.array([nr for nr, _ in found]),
        time_s,
        [regions for _, regions in found],
    )


def sim_host(recording: Recording, seed: int) -> SimHost:
    """A simulated host with the recorded load, monitored as the kernel was."""
    return SimHost(_spec(recording), seed=seed, attrs=attrs_of(recording))


def recorded(recording: Recording) -> Series:
    """The recording itself as a series over what is compared."""
    start, end = compared(recording)
    return Series(
        (end - start) // PAGE_BYTES,
        recording.nr_regions,
        recording.time_s[recording.kept],
        [regions.within(start, end) for regions in recording.regions],
    )


def host_intervals(recording: Recording) -> Intervals:
    """The intervals that the kernel really kept."""
    sample_us = round(recording.sample_s * 1e6)
    per_aggregation = recording.about["aggr_us"] // recording.about["sample_us"]
    return Intervals(sample_us, sample_us * per_aggregation)


def attrs_of(recording: Recording) -> MonitoringAttrs:
    """How DAMON was set up, with the intervals that it kept."""
    about = recording.about
    return MonitoringAttrs(
        host_intervals(recording), about["min_nr_regions"], about["max_nr_regions"]
    )


def _spec(recording: Recording) -> _core.Spec:
    start, end = compared(recording)
    size = end - start
    # the first range, of program and heap, is longer than the simulator's by this
    first = recording.regions[0]
    low = first.end[first.end <= start]
    if not len(low):
        low = first.start[:1]
    gap = max(0.0, float(low[-1] - first.start[0] - _SMALL_RANGE_BYTES) / size)
    return _core.Spec(
        "recorded",
        {"footprint_bytes": (size, size)},
        {"gap_share": (gap, gap)},
        program=program(recording),
    )


def _reported(snapshot: Snapshot, recording: Recording) -> tuple[int, Regions]:
    """Number of all regions, and those of the mapping, as the kernel reports them.

    The kernel reports before it splits: halves that have not been sampled yet are one.
    """
    rows = np.array([(r.start, r.end, r.nr_accesses, r.age) for r in snapshot.regions])
    total = int((rows[:, 1] - rows[:, 0]).sum())
    limit = total // recording.about["min_nr_regions"] + PAGE_BYTES
    merged = [rows[0]]
    for row in rows[1:]:
        last = merged[-1]
        same = last[1] == row[0] and (last[2:] == row[2:]).all()
        if same and row[1] - last[0] <= limit:
            last[1] = row[1]
        else:
            merged.append(row)
    found = Regions(*np.array(merged).T)
    gaps = found.start[1:] - found.end[:-1]
    first = int(np.flatnonzero(gaps)[0]) + 1
    start = int(found.start[first])
    memory_start, memory_end = compared(recording)
    return len(merged), found.within(start, start + memory_end - memory_start)
