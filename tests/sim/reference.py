"""DAMON's region arithmetic once more, written for reading: what the C code is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Region(NamedTuple):
    start: int
    end: int
    nr_accesses: int
    last_nr_accesses: int
    age: int
    target: int = 0
    hits: bytes = bytes(4)
    last_hits: bytes = bytes(4)

    @property
    def size(self) -> int:
        return self.end - self.start


def score(region: Region, weights: Sequence[int], last: bool = False) -> int:
    """What regions are merged and aged by: accesses, or probe hits where those have weights."""
    if any(weights):
        hits = region.last_hits if last else region.hits
        return sum(hit * weight for hit, weight in zip(hits, weights, strict=False))
    return region.last_nr_accesses if last else region.nr_accesses


def grow_older(region: Region, threshold: int, weights: Sequence[int] = ()) -> Region:
    now, last = score(region, weights), score(region, weights, last=True)
    steady = abs(now - last) <= threshold and (now == 0) == (last == 0)
    return region._replace(age=region.age + 1 if steady else 0)


def join(left: Region, right: Region) -> Region:
    size = left.size + right.size
    return left._replace(
        end=right.end,
        nr_accesses=(left.nr_accesses * left.size + right.nr_accesses * right.size) // size,
        age=(left.age * left.size + right.age * right.size) // size,
        hits=bytes(
            (a * left.size + b * right.size) // size
            for a, b in zip(left.hits, right.hits, strict=True)
        ),
    )


def merge_once(
    regions: Sequence[Region], threshold: int, sz_limit: int, weights: Sequence[int] = ()
) -> list[Region]:
    merged: list[Region] = []
    for region in regions:
        previous = merged[-1] if merged else None
        if (
            previous is not None
            and previous.target == region.target
            and previous.end == region.start
            and abs(score(previous, weights) - score(region, weights)) <= threshold
            and previous.size + region.size <= sz_limit
        ):
            merged[-1] = join(previous, region)
        else:
            merged.append(region)
    return merged


def merge(
    regions: Sequence[Region],
    threshold: int,
    sz_limit: int,
    max_nr_regions: int,
    max_threshold: int,
    weights: Sequence[int] = (),
) -> list[Region]:
    aged = [grow_older(region, threshold, weights) for region in regions]
    merged = merge_once(aged, threshold, sz_limit, weights)
    while len(merged) > max_nr_regions and threshold < max_threshold:
        doubled = max(1, 2 * threshold)
        threshold = doubled if threshold < max_threshold // 2 else max_threshold
        merged = merge_once(merged, threshold, sz_limit, weights)
    return merged


def update_ranges(
    regions: Sequence[Region], target: int, ranges: Sequence[tuple[int, int]], min_region_sz: int
) -> list[Region]:
    """The regions of all targets after those of ``target`` were fitted into ``ranges``."""
    fitted: list[Region] = []
    touched = [
        region
        for region in regions
        if region.target == target
        and any(region.end > start and end > region.start for start, end in ranges)
    ]
    for start, end in ranges:
        inside: list[Region] = []
        # what starts behind this range is left for the next ones
        while touched and touched[0].start < end:
            region = touched.pop(0)
            if region.end > start:
                inside.append(region)
        first = start // min_region_sz * min_region_sz
        last = -(-end // min_region_sz) * min_region_sz
        if not inside:
            fitted.append(Region(first, last, 0, 0, 0, target))
            continue
        inside[0] = inside[0]._replace(start=first)
        inside[-1] = inside[-1]._replace(end=last)
        for i, region in enumerate(inside):
            if i and inside[i - 1].end < region.start:
                fitted.append(Region(inside[i - 1].end, region.start, 0, 0, 0, target))
            fitted.append(region)
    before = [region for region in regions if region.target < target]
    return [*before, *fitted, *(region for region in regions if region.target > target)]


def apply_min_nr_regions(
    regions: Sequence[Region], min_nr_regions: int, min_region_sz: int
) -> tuple[int, list[Region]]:
    """The size limit, and the regions cut to it."""
    share = sum(region.size for region in regions) // min_nr_regions
    limit = -(-max(share, min_region_sz) // min_region_sz) * min_region_sz
    pieces = [
        region._replace(start=start, end=min(start + limit, region.end))
        for region in regions
        for start in range(region.start, region.end, limit)
    ]
    return limit, pieces


def mvsum(nr_accesses: int, last_nr_accesses: int, left_bp: int) -> int:
    if left_bp == 10_000:
        return last_nr_accesses
    return nr_accesses + last_nr_accesses * left_bp // 10_000


def hot_score(
    nr_accesses: int,
    age: int,
    sample_us: int,
    aggr_us: int,
    weight_nr_accesses: int,
    weight_age: int,
) -> int:
    frequency = nr_accesses * 100 // (aggr_us // sample_us)
    age_s = age * aggr_us // 1_000_000
    log = min(age_s.bit_length(), 32) * (1 if frequency else -1)
    weighted = weight_nr_accesses * frequency + weight_age * ((log + 32) * 100 // 32 // 2)
    weights = weight_nr_accesses + weight_age
    return min((weighted // weights if weights else 0) * 99 // 100, 99)
