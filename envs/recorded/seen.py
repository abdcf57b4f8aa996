"""What DAMON saw of a tenant at each decision, as layers of a program.

Between decisions nothing was kept, but for the ages: a region in which nothing is found, of an
age that is less than the interval, was accessed since the decision before. Its rate is taken as
one access found in that many aggregations; that of an older one as 0. But a page-out makes a
region young as well: where one could have been, nothing is concluded.

Where more is monitored than the tenant ever had in memory (memory that is reserved and never
used), what was never seen accessed is taken as touched in part, so that both are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from damon_tuner.daemon.config import Mode
from damon_tuner.daemon.experience.record import Experience
from damon_tuner.daemon.experience.regions import NR_COLUMNS, region_words
from damon_tuner.envs.recorded.damon import (
    AddressMap,
    DamonSnapshot,
    address_maps,
    compacted,
    rate_rows,
    snapshot_of,
)
from damon_tuner.envs.recorded.layer import Layer, layer_of

_Floats = NDArray[np.float64]
# Columns of the regions of one process, sorted by address.
_START, _END, _COUNT, _AGE = range(NR_COLUMNS)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A record, and the regions of each process in it."""

    record: Experience
    processes: list[_Floats]

    @property
    def interval(self) -> float:
        """Aggregations between decisions."""
        return self.record.interval_s * 1e6 / max(self.record.aggr_us, 1)


def seen_layers(stretch: Sequence[Experience]) -> tuple[list[Layer], float]:
    """A layer for each record that has regions, from time 0 on, and the bytes they are about.

    Raises:
        RecordingError: some regions are empty, or lie beyond what can be played.

    """
    seen = [_Seen(record, _processes(record)) for record in stretch]
    found = [_snapshots(now, before) for before, now in zip([None, *seen], seen, strict=False)]
    maps = address_maps([snapshot for snapshots in found for snapshot in snapshots])
    end_byte = max((each.end_byte for each in maps.values()), default=0.0)
    layers = [
        _layer(record, record.time_s - stretch[0].time_s, snapshots, maps)
        for record, snapshots in zip(stretch, found, strict=True)
        if snapshots
    ]
    tenant_bytes = max(record.resident_bytes + record.swapped_bytes for record in stretch)
    return _touched_in_part(layers, end_byte, float(tenant_bytes)), end_byte


def _processes(record: Experience) -> list[_Floats]:
    """The addresses of each process begin anew, behind those of the one before."""
    words = np.frombuffer(region_words(record.regions), "<u8")
    gaps, sizes, counts, ages = words.reshape(NR_COLUMNS, -1)
    if not len(gaps):
        return []
    ends = np.cumsum(gaps + sizes)
    starts = ends - sizes
    table = np.column_stack([starts, ends, counts, ages]).astype(np.float64)
    return np.split(table, np.flatnonzero(starts[1:] < ends[:-1]) + 1)


def _snapshots(now: _Seen, before: _Seen | None) -> list[DamonSnapshot]:
    """One for each process."""
    snapshots = []
    for number, regions in enumerate(now.processes):
        table = np.column_stack([regions[:, :_COUNT], _counts(now, before, number)])
        rows = ((start, end, count) for start, end, count in table.tolist())
        snapshots.append(snapshot_of(number, now.record.time_s, rows))
    return snapshots


def _counts(now: _Seen, before: _Seen | None, number: int) -> _Floats:
    """Accesses found an aggregation; see the top of the file for those below 1."""
    regions = now.processes[number]
    aggregations = regions[:, _AGE] + 1.0
    is_young = (regions[:, _COUNT] == 0) & (aggregations < now.interval)
    was_accessed = is_young & ~_may_be_paged_out(now, before, number)
    return np.where(was_accessed, 1.0 / aggregations, regions[:, _COUNT])


def _may_be_paged_out(now: _Seen, before: _Seen | None, number: int) -> NDArray[np.bool_]:
    """Whether each region was old enough for that since the decision before, or may have been."""
    middles = now.processes[number][:, : _END + 1].mean(axis=1)
    if (before or now).record.mode != Mode.ACT:
        return np.zeros(len(middles), dtype=np.bool_)
    if before is None or number >= len(before.processes):
        return np.ones(len(middles), dtype=np.bool_)
    regions = before.processes[number]
    which = np.searchsorted(regions[:, _START], middles, side="right") - 1
    was_there = (which >= 0) & (middles < regions[which, _END])
    min_age = before.record.knobs.get("min_age_s", 0.0) * 1e6 / max(before.record.aggr_us, 1)
    is_idle = regions[:, _COUNT] == 0
    ripens = is_idle & (regions[:, _AGE] + before.interval >= min_age)
    return np.where(was_there, ripens[which], True)


def _layer(
    record: Experience,
    at_s: float,
    snapshots: Sequence[DamonSnapshot],
    maps: dict[int, AddressMap],
) -> Layer:
    sample_us = max(record.sample_us, 1)
    nr_samples = max(record.aggr_us // sample_us, 1)
    rows = [
        rate_rows([each.regions], maps[each.target], nr_samples, sample_us, at_s)
        for each in snapshots
    ]
    return layer_of(at_s, np.concatenate(rows))


def _touched_in_part(layers: list[Layer], end_byte: float, tenant_bytes: float) -> list[Layer]:
    accessed = [
        np.column_stack([layer.starts[:-1], layer.starts[1:]])[layer.state[:-1, 0] > 0.0]
        for layer in layers
    ]
    edges, ever_bytes = np.empty(0), 0.0
    if any(map(len, accessed)):
        ever = compacted(np.concatenate(accessed), 0.0)
        edges, ever_bytes = np.column_stack([ever.starts, ever.ends]).ravel(), ever.end_byte
    share = (tenant_bytes - ever_bytes) / max(end_byte - ever_bytes, 1.0)
    if share >= 1.0:
        return layers
    return [_with_share(layer, edges, max(share, 0.0)) for layer in layers]


def _with_share(layer: Layer, edges: _Floats, share: float) -> Layer:
    """Between the ``edges``, which go in and out by turns, all stays as it is."""
    starts = np.union1d(layer.starts, edges)
    state = layer.at(starts)
    outside = np.searchsorted(edges, starts, side="right") % 2 == 0
    state[outside, 1] *= share
    return replace(layer, starts=starts, state=state)
