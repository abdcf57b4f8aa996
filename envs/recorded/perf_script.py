"""What ``perf script`` prints of ``damon:damon_aggregated``, with or without ages."""

from __future__ import annotations

import re

from damon_tuner.envs.recorded.damon import (
    DEFAULT_SAMPLE_US,
    DamonSnapshot,
    record_snapshots,
    snapshot_of,
)
from damon_tuner.envs.recorded.recording import Recording
from damon_tuner.errors import RecordingError

EVENT = "damon:damon_aggregated:"
# task, pid, [cpu], time, event, target, number of regions, range, accesses and perhaps age
_LINE = re.compile(
    r"([0-9]{1,12}\.[0-9]{1,9}): " + EVENT + r" target_id=([0-9]{1,20}) nr_regions=([0-9]{1,9})"
    r" ([0-9]{1,20})-([0-9]{1,20}): ([0-9]{1,10})(?: [0-9]{1,10})?\s*$"
)


def read(text: str, sample_us: float | None = None) -> Recording:
    """Read perf's lines; ``sample_us`` is DAMON's sampling interval, which they do not say."""
    open_snapshots: dict[int, list[tuple[float, float, float]]] = {}
    targets: dict[str, int] = {}
    snapshots: list[DamonSnapshot] = []
    begun_s: dict[int, float] = {}
    for line_number, line in enumerate(text.splitlines(), 1):
        if EVENT not in line:
            continue
        found = _LINE.search(line)
        if not found:
            raise RecordingError(f"line {line_number} is not as perf script prints {EVENT[:-1]}")
        at_s, target_id, nr_regions, *region = found.groups()
        target = targets.setdefault(target_id, len(targets))
        regions = open_snapshots.setdefault(target, [])
        if not regions:
            begun_s[target] = float(at_s)
        start, end, accesses = map(float, region)
        regions.append((start, end, accesses))
        if len(regions) >= int(nr_regions):
            snapshots.append(snapshot_of(target, begun_s[target], regions))
            open_snapshots[target] = []
    # what is still open was cut off where the recording ended
    return record_snapshots("perf-script", snapshots, sample_us or DEFAULT_SAMPLE_US)
