"""Snapshots of DAMON, whatever they were written in, as a program.

A count of k of N checks says that a share p = k / N of them found an access. With accesses at
random times, p = 1 - exp(-rate * sampling interval), so the rate is -ln(1 - p) / sampling
interval. At the ends this says little: 0 of N is any rate well below one access in N sampling
intervals and is taken as 0; N of N is any rate above and is taken as that at which half a check in
N misses, ln(2 N) / sampling interval.

Counts are averaged over a second, byte by byte: one aggregation of 20 checks says little, and the
simulator has less to do.

Addresses are compacted: what some snapshot of a target monitored keeps its order, and what none
did is cut out; several targets follow each other. Where a target is not monitored any more,
memory is taken as freed; where it is, as touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from damon_tuner.envs.recorded.recording import PAGE_BYTES, Recording, Rows, make_recording
from damon_tuner.errors import RecordingError

DEFAULT_SAMPLE_US = 5000.0
_WINDOW_S = 1.0
# Addresses stay exact in a float up to here.
MAX_ADDRESS = 1 << 53


@dataclass(frozen=True, slots=True)
class DamonSnapshot:
    """One aggregation of one target: ``regions`` are (start, end, nr_accesses), sorted."""

    target: int
    at_s: float
    regions: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AddressMap:
    """From the addresses of one target to those of the program."""

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    offsets: NDArray[np.float64]

    @property
    def end_byte(self) -> float:
        """Where the program's addresses of this target end."""
        return float(self.offsets[-1] + self.ends[-1] - self.starts[-1])

    def place(self, regions: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same regions at the program's addresses."""
        which = np.searchsorted(self.starts, regions[:, 0], side="right") - 1
        shift = self.offsets[which] - self.starts[which]
        return np.column_stack([regions[:, 0] + shift, regions[:, 1] + shift, regions[:, 2]])


def snapshot_of(
    target: int, at_s: float, regions: Iterable[tuple[float, float, float]]
) -> DamonSnapshot:
    """A snapshot of regions in any order.

    Raises:
        RecordingError: there is none, one is empty or beyond 2^53, or two overlap.

    """
    table = np.array(sorted(regions), dtype=np.float64).reshape(-1, 3)
    if not len(table):
        raise RecordingError("a snapshot has no regions")
    if (table[:, 0] >= table[:, 1]).any() or table[-1, 1] > MAX_ADDRESS:
        raise RecordingError("a region's end must lie behind its start, and below 2^53")
    if (table[1:, 0] < table[:-1, 1]).any():
        raise RecordingError("regions of a snapshot overlap")
    return DamonSnapshot(target, at_s, table)


def record_snapshots(
    format: str,
    snapshots: Sequence[DamonSnapshot],
    sample_us: float = DEFAULT_SAMPLE_US,
    aggr_us: float | None = None,
) -> Recording:
    """The program of these snapshots; one alone, of each target, is a load that stands still.

    ``aggr_us`` is taken from the times of the snapshots where it was not recorded.
    """
    if not snapshots:
        raise RecordingError("there is no snapshot in it")
    aggr_s = aggr_us * 1e-6 if aggr_us else _usual_step_s(snapshots)
    nr_samples = max(round(aggr_s * 1e6 / sample_us), 1)
    maps = address_maps(snapshots)
    footprint = max(each.end_byte for each in maps.values())
    first_s = min(snapshot.at_s for snapshot in snapshots)
    length_s = max(snapshot.at_s for snapshot in snapshots) - first_s + aggr_s
    table = np.concatenate(
        [
            rate_rows([each.regions for each in group], maps[target], nr_samples, sample_us, at_s)
            for at_s, target, group in _windows(snapshots, first_s)
        ]
    )
    nr_pages = -(-int(footprint) // PAGE_BYTES)
    return make_recording(format, table, nr_pages * PAGE_BYTES, length_s)


def _windows(
    snapshots: Sequence[DamonSnapshot], first_s: float
) -> Iterator[tuple[float, int, list[DamonSnapshot]]]:
    """The snapshots of each second and target, in order of time."""

    def window(snapshot: DamonSnapshot) -> tuple[float, int]:
        return (snapshot.at_s - first_s) // _WINDOW_S * _WINDOW_S, snapshot.target

    for (at_s, target), group in groupby(sorted(snapshots, key=window), key=window):
        yield at_s, target, list(group)


def _usual_step_s(snapshots: Sequence[DamonSnapshot]) -> float:
    """The median time between snapshots of a target; DAMON's default when there is but one."""
    steps: list[float] = []
    last: dict[int, float] = {}
    for snapshot in snapshots:
        if snapshot.target in last:
            steps.append(snapshot.at_s - last[snapshot.target])
        last[snapshot.target] = snapshot.at_s
    step = float(np.median(steps)) if steps else 0.1
    if not 0.0 < step <= 1e6:
        raise RecordingError("times of the snapshots do not rise as they should")
    return step


def address_maps(snapshots: Sequence[DamonSnapshot]) -> dict[int, AddressMap]:
    """How the addresses of each target are compacted; several targets follow each other."""
    regions: dict[int, list[NDArray[np.float64]]] = {}
    for snapshot in snapshots:
        regions.setdefault(snapshot.target, []).append(snapshot.regions)
    maps: dict[int, AddressMap] = {}
    offset = 0.0
    for target in sorted(regions):
        maps[target] = compacted(np.concatenate(regions[target]), offset)
        offset = maps[target].end_byte
    return maps


def compacted(regions: NDArray[np.float64], offset: float) -> AddressMap:
    """What is in any of ``regions``, from ``offset`` on; they may overlap."""
    regions = regions[np.argsort(regions[:, 0], kind="stable")]
    reach = np.maximum.accumulate(regions[:, 1])
    begins = np.concatenate([[True], regions[1:, 0] > reach[:-1]])
    starts = regions[begins, 0]
    ends = reach[np.concatenate([begins[1:], [True]])]
    sizes = ends - starts
    return AddressMap(starts, ends, offset + np.concatenate([[0.0], np.cumsum(sizes)[:-1]]))


def rate_rows(
    snapshots: Sequence[NDArray[np.float64]],
    where: AddressMap,
    nr_samples: int,
    sample_us: float,
    at_s: float,
) -> Rows:
    """The program's rows, from ``at_s`` on, of the mean of some snapshots of a target.

    They say something of each byte of the target's.
    """
    placed = [where.place(regions) for regions in snapshots]
    ends = [where.offsets[0], where.end_byte]
    edges = np.unique(np.concatenate([ends, *(regions[:, :2].ravel() for regions in placed)]))
    middles = (edges[:-1] + edges[1:]) / 2
    counts, seen = np.zeros(len(middles)), np.zeros(len(middles))
    for regions in placed:
        which = np.searchsorted(regions[:, 0], middles, side="right") - 1
        inside = (which >= 0) & (middles < regions[which, 1])
        counts += np.where(inside, np.minimum(regions[which, 2], nr_samples), 0.0)
        seen += inside
    checks = nr_samples * np.maximum(seen, 1.0)
    rate_hz = -np.log1p(-np.minimum(counts / checks, 1.0 - 0.5 / checks)) / (sample_us * 1e-6)
    state = np.column_stack([rate_hz, seen > 0])
    changes = np.concatenate([[True], (state[1:] != state[:-1]).any(axis=1), [True]])
    bounds = edges[changes]
    return np.column_stack(
        [np.full(len(bounds) - 1, at_s), bounds[:-1], bounds[1:], state[changes[:-1]]]
    )
