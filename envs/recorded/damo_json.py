"""damo's records: JSON of snapshots, as ``damo record`` and ``damo report access`` write it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from damon_tuner.envs.recorded.damon import (
    DEFAULT_SAMPLE_US,
    DamonSnapshot,
    record_snapshots,
    snapshot_of,
)
from damon_tuner.envs.recorded.numbers import (
    BYTES,
    COUNT,
    MICROSECONDS,
    NANOSECONDS,
    number,
)
from damon_tuner.envs.recorded.recording import Recording
from damon_tuner.errors import RecordingError


def read(text: str, sample_us: float | None = None) -> Recording:
    """Read damo's JSON; ``sample_us`` is for records that do not say their intervals."""
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"is not JSON that can be read: {str(error)[:100]}") from None
    if not isinstance(records, list) or not records:
        raise RecordingError("is no list of damo's records")
    intervals = [_intervals(record) for record in records]
    if any(each != intervals[0] for each in intervals):
        raise RecordingError("its records have different intervals: bring one at a time")
    snapshots = [s for target, record in enumerate(records) for s in _snapshots(target, record)]
    known_sample_us, aggr_us = intervals[0]
    return record_snapshots(
        "damo", snapshots, sample_us or known_sample_us or DEFAULT_SAMPLE_US, aggr_us
    )


def _intervals(record: object) -> tuple[float | None, float | None]:
    intervals = _item(record, "intervals")
    if intervals is None:
        return None, None
    sample_us = number(_item(intervals, "sample_us"), MICROSECONDS, "sample_us")
    aggr_us = number(_item(intervals, "aggr_us"), MICROSECONDS, "aggr_us")
    if not 1.0 <= sample_us <= aggr_us <= 1e12:
        raise RecordingError("its sampling and aggregation intervals make no sense")
    return sample_us, aggr_us


def _snapshots(target: int, record: object) -> Iterator[DamonSnapshot]:
    for snapshot in _items(record, "snapshots"):
        at_s = number(_item(snapshot, "start_time"), NANOSECONDS, "start_time") * 1e-9
        regions = _items(snapshot, "regions")
        if regions:
            yield snapshot_of(target, at_s, map(_region, regions))


def _region(region: object) -> tuple[float, float, float]:
    samples = _item(_item(region, "nr_accesses"), "samples")
    return (
        number(_item(region, "start"), BYTES, "start"),
        number(_item(region, "end"), BYTES, "end"),
        number(samples, COUNT, "nr_accesses"),
    )


def _item(table: object, key: str) -> object:
    if not isinstance(table, dict):
        raise RecordingError(f"there is no {key} where damo writes one")
    return table.get(key)


def _items(table: object, key: str) -> list[object]:
    found = _item(table, key)
    if not isinstance(found, list):
        raise RecordingError(f"there are no {key} where damo writes them")
    return found
