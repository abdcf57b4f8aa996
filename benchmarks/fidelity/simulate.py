"""Plays what a load did while it was recorded in the simulator.

What is compared are pages in one order: those of the load's memory first, as the load counts
them, and with paddr behind them all other pages of the machine. Where the kernel put the load's
pages was recorded; the simulator puts them one after the other.
"""

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
    Operations,
    Scheme,
    Snapshot,
)
from damon_tuner.kernel_iface.sim import SimHost

PAGES_PER_HUGE_PAGE = 512
OBSERVER = Scheme(Action.STAT)
# The load accesses its memory this often.
_TICK_S = 1e-3
_SMALL_RANGE_BYTES = 132 << 10


def program(recording: Recording) -> NDArray[np.float64]:
    """Rows (from second, start byte, end byte, rate, touched share) of the load, as measured.

    On huge pages one accessed bit stands for 512 pages: what sets it is the accesses of them all.
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
        rows += [(from_s, 1, start, end, rate_hz), (ends_s, 0, start, end, 0.0)]
    rows.sort(key=lambda row: row[:2])
    filled = float(not recording.about["unfilled"])
    first = [(0.0, 0.0, _size_bytes(recording), 0.0, filled)]
    return np.array(first + [(at_s, *place, 1.0) for at_s, _, *place in rows])


def sim_host(recording: Recording, seed: int) -> SimHost:
    """A simulated host with the recorded load, monitored as the kernel was."""
    operations = Operations(recording.about["operations"])
    return SimHost(_spec(recording), seed=seed, attrs=attrs_of(recording), operations=operations)


def simulate(recording: Recording, seed: int) -> Series:
    """Monitor the recorded load in the simulator, for as long as it was recorded."""
    host = sim_host(recording, seed)
    host.start([OBSERVER])
    interval_s = host_intervals(recording).aggr_us * 1e-6
    found = []
    for _ in recording.time_s:
        host.advance(interval_s)
        found.append(_reported(host.snapshot(), recording))
    return Series(
        np.arange(_nr_compared(recording)),
        np.array([nr for nr, _ in found]),
        np.arange(1, len(found) + 1, dtype=np.float64) * interval_s,
        [regions for _, regions in found],
    )


def recorded(recording: Recording) -> Series:
    """What the kernel saw."""
    start, end = recording.memory
    places = np.arange(_nr_compared(recording))
    if not _is_vaddr(recording):
        start, end = 0, len(places) * PAGE_BYTES
        places = _physical_places(recording)
    return Series(
        places,
        recording.nr_regions,
        recording.time_s[recording.kept],
        [regions.within(start, end) for regions in recording.regions],
    )


def load_pages(recording: Recording) -> int:
    """How many pages of what is compared, the first ones, are the load's."""
    return _size_bytes(recording) // PAGE_BYTES


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


def _is_vaddr(recording: Recording) -> bool:
    return Operations(recording.about["operations"]) is Operations.VADDR


def _size_bytes(recording: Recording) -> int:
    start, end = recording.memory
    return end - start


def _nr_compared(recording: Recording) -> int:
    if _is_vaddr(recording):
        return load_pages(recording)
    return int(max(end for _, end in recording.about["system_ram"])) // PAGE_BYTES


def _physical_places(recording: Recording) -> NDArray[np.int64]:
    """The physical page of each page of what is compared."""
    places = np.full(load_pages(recording), -1)
    for page, frame, nr in recording.runs:
        places[page : page + nr] = np.arange(frame, frame + nr)
    others = np.setdiff1d(np.arange(_nr_compared(recording)), places)
    # what the load never touched is somewhere among the rest
    missing = np.flatnonzero(places < 0)
    places[missing] = others[: len(missing)]
    return np.concatenate((places, others[len(missing) :]))


def _pacing(nr_bits: float) -> float:
    """How much more often a bit is set by paced accesses than by as many at chance times.

    Of k accesses to n bits at random none hits a given one with (1 - 1/n)^k; the simulator's
    accesses, of which there may be any number in an interval, miss it with exp(-k/n). This
    matters for huge pages, of which there are few.
    """
    return float(-nr_bits * np.log1p(-1.0 / nr_bits)) if nr_bits > 1.0 else 1.0


def _spec(recording: Recording) -> _core.Spec:
    size = _size_bytes(recording)
    fixed = {"footprint_bytes": float(size), "threads": 1.0, "activity": 1.0}
    machine = {"gap_share": _gap_bytes(recording) / size}
    if not _is_vaddr(recording):
        machine["memory_ratio"] = _nr_compared(recording) / load_pages(recording)
    return _core.Spec(
        "recorded",
        {name: (value, value) for name, value in fixed.items()},
        {name: (value, value) for name, value in machine.items()},
        program=program(recording),
    )


def _gap_bytes(recording: Recording) -> float:
    """By how much the range of program and heap is longer than the simulator has it."""
    first = recording.regions[0]
    low = first.end[first.end <= recording.memory[0]]
    if not _is_vaddr(recording) or not len(low):
        return 0.0
    return max(0.0, float(low[-1] - first.start[0]) - _SMALL_RANGE_BYTES)


def _reported(snapshot: Snapshot, recording: Recording) -> tuple[int, Regions]:
    """Number of all regions, and those of what is compared."""
    rows = np.array([(r.start, r.end, r.nr_accesses, r.age) for r in snapshot.regions])
    found = Regions(*rows.T)
    start = int(found.start[0])
    if _is_vaddr(recording):
        gaps = found.start[1:] - found.end[:-1]
        start = int(found.start[int(np.flatnonzero(gaps)[0]) + 1])
    return len(rows), found.within(start, start + _nr_compared(recording) * PAGE_BYTES)
