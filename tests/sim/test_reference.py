"""DAMON's steps in C give exactly what the reference gives."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from damon_tuner import _core

from . import reference
from .reference import Region
from .reference_loop import Splitter, Xoshiro, converted

# Small counts, so that equal neighbours and both sides of a threshold are common.
COUNTS = st.one_of(st.integers(0, 24), st.integers(0, 10**6))
AGES = st.one_of(st.integers(0, 40), st.integers(0, 2**31))
HITS = st.one_of(st.just(bytes(4)), st.binary(min_size=4, max_size=4))
CHANGES = st.integers(0, 9).map(lambda n: n == 0)
WEIGHTS = st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**20)), max_size=4)


@st.composite
def regions_of(draw: Callable[..., object], unit: int = 1, most: int = 40) -> list[Region]:
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 2), st.integers(1, 3000), COUNTS, COUNTS, AGES, HITS, HITS, CHANGES
            ),
            min_size=1,
            max_size=most,
        )
    )
    assert isinstance(rows, list)
    regions, at, target = [], 0, 0
    for gap, size, nr, last, age, hits, last_hits, other_target in rows:
        target += other_target
        at = 0 if other_target else at
        start = at + (gap == 0) * unit
        at = start + size * unit
        regions.append(Region(start, at, nr, last, age, target, hits, last_hits))
    return regions


def outline(regions: list[Region]) -> list[tuple[int, int, int]]:
    """The ranges of each target that ``regions`` cover, neighbours joined."""
    ranges: list[tuple[int, int, int]] = []
    for region in regions:
        if ranges and (ranges[-1][0], ranges[-1][2]) == (region.target, region.start):
            ranges[-1] = (*ranges[-1][:2], region.end)
        else:
            ranges.append((region.target, region.start, region.end))
    return ranges


def held(monitor: _core.Monitor) -> list[Region]:
    return [Region(*region) for region in monitor.regions()]


@settings(max_examples=300, deadline=None)
@given(
    regions=regions_of(),
    threshold=st.integers(0, 30),
    sz_limit=st.integers(1, 20_000),
    max_nr_regions=st.integers(3, 30),
    samples=st.integers(1, 40),
    weights=WEIGHTS,
)
def test_merge(
    regions: list[Region],
    threshold: int,
    sz_limit: int,
    max_nr_regions: int,
    samples: int,
    weights: list[int],
) -> None:
    monitor = _core.Monitor(
        sample_us=1, aggr_us=samples, min_nr_regions=3, max_nr_regions=max_nr_regions
    )
    monitor.set_probes(*weights)
    # a probe that is not there has no hits
    mask = bytes(255 * (i < len(weights)) for i in range(4))
    regions = [
        region._replace(hits=bytes(h & m for h, m in zip(region.hits, mask, strict=True)))
        for region in regions
    ]
    monitor.set_regions(regions)
    monitor.merge(threshold, sz_limit)
    expected = reference.merge(regions, threshold, sz_limit, max_nr_regions, samples, weights)
    assert held(monitor) == expected


@settings(max_examples=200, deadline=None)
@given(
    data=st.data(),
    min_nr_regions=st.integers(1, 60),
    min_region_sz=st.sampled_from([1, 2, 16, 4096]),
)
def test_apply_min_nr_regions(
    data: st.DataObject, min_nr_regions: int, min_region_sz: int
) -> None:
    regions = data.draw(regions_of(unit=min_region_sz, most=8))
    monitor = _core.Monitor(min_nr_regions=min_nr_regions, min_region_sz=min_region_sz)
    monitor.set_regions(regions)
    limit, pieces = reference.apply_min_nr_regions(regions, min_nr_regions, min_region_sz)
    assert monitor.apply_min_nr_regions() == limit
    assert held(monitor) == pieces


@settings(deadline=None)
@given(
    nr_accesses=st.integers(0, 10**9),
    last_nr_accesses=st.integers(0, 10**9),
    left_bp=st.integers(0, 10_000),
)
def test_mvsum(nr_accesses: int, last_nr_accesses: int, left_bp: int) -> None:
    expected = reference.mvsum(nr_accesses, last_nr_accesses, left_bp)
    assert _core.mvsum(nr_accesses, last_nr_accesses, left_bp) == expected


@settings(max_examples=200, deadline=None)
@given(
    nr_accesses=st.integers(0, 200),
    last_nr_accesses=st.integers(0, 200),
    samples=st.integers(1, 200),
    data=st.data(),
)
def test_mvsum_of_a_region(
    nr_accesses: int, last_nr_accesses: int, samples: int, data: st.DataObject
) -> None:
    passed = data.draw(st.integers(0, samples))
    monitor = _core.Monitor(sample_us=7, aggr_us=7 * samples)
    monitor.set_regions([(0, 4096, nr_accesses, last_nr_accesses, 0)])
    monitor.set_passed_samples(passed)
    left_bp = (samples - passed) * 10_000 // samples
    expected = reference.mvsum(nr_accesses, last_nr_accesses, left_bp)
    assert monitor.nr_accesses_mvsum(0) == expected


@settings(max_examples=300, deadline=None)
@given(
    share=st.floats(0, 1),
    age=st.one_of(st.integers(0, 5000), st.integers(0, 2**32 - 1)),
    sample_us=st.integers(1, 10**6),
    samples=st.integers(1, 2000),
    rest_us=st.integers(0, 10**6),
    weight_nr_accesses=st.one_of(st.integers(0, 1000), st.integers(0, 2**32 - 1)),
    weight_age=st.one_of(st.integers(0, 1000), st.integers(0, 2**32 - 1)),
)
# two weights whose sum needs more than 32 bits
@example(0.5, 300, 5_000, 20, 0, 2**31, 2**31)
def test_hot_score(
    share: float,
    age: int,
    sample_us: int,
    samples: int,
    rest_us: int,
    weight_nr_accesses: int,
    weight_age: int,
) -> None:
    aggr_us = sample_us * samples + min(rest_us, sample_us - 1)
    row = (int(share * samples), age, sample_us, aggr_us, weight_nr_accesses, weight_age)
    assert _core.hot_score(*row) == reference.hot_score(*row)


@pytest.mark.parametrize(
    ("nr_accesses", "age"), [(nr, age) for nr in (0, 1, 20) for age in (0, 9, 10, 10_000)]
)
def test_more_accesses_and_a_younger_idle_region_are_hotter(nr_accesses: int, age: int) -> None:
    score = _core.hot_score(nr_accesses, age, 5_000, 100_000, 1, 1)
    idle = _core.hot_score(0, age, 5_000, 100_000, 1, 1)
    older = _core.hot_score(0, 100 * (age + 1), 5_000, 100_000, 1, 1)
    assert 99 >= score >= idle > older >= 0


@settings(max_examples=200, deadline=None)
@given(
    data=st.data(), max_nr_regions=st.integers(3, 100), min_region_sz=st.sampled_from([1, 4096])
)
def test_split_keeps_what_it_splits(
    data: st.DataObject, max_nr_regions: int, min_region_sz: int
) -> None:
    before = data.draw(regions_of(unit=min_region_sz))
    monitor = _core.Monitor(
        min_nr_regions=3,
        max_nr_regions=max_nr_regions,
        min_region_sz=min_region_sz,
        seed=data.draw(st.integers(0, 2**64 - 1)),
    )
    monitor.set_regions(before)
    monitor.split()
    after = held(monitor)

    assert outline(after) == outline(before)
    assert len(after) <= max(len(before), max_nr_regions)
    assert all(region.start % min_region_sz == 0 and region.size > 0 for region in after)
    parents = {
        piece: next(
            r
            for r in before
            if r.target == piece.target and r.start <= piece.start and piece.end <= r.end
        )
        for piece in after
    }
    assert all(piece[2:] == parent[2:] for piece, parent in parents.items())


@pytest.mark.parametrize("nr", [30, 31, 99, 100])
def test_a_full_monitor_is_not_split(nr: int) -> None:
    monitor = _core.Monitor(min_nr_regions=3, max_nr_regions=30)
    before = [Region(i << 20, (i + 1) << 20, i % 7, 0, i) for i in range(nr)]
    monitor.set_regions(before)
    monitor.split()
    assert held(monitor) == before


@pytest.mark.parametrize(("nr", "max_nr", "pieces"), [(10, 100, 3), (33, 100, 2), (40, 100, 2)])
def test_an_unchanged_number_of_regions_is_split_into_three(
    nr: int, max_nr: int, pieces: int
) -> None:
    monitor = _core.Monitor(min_nr_regions=3, max_nr_regions=max_nr)
    before = [Region(i << 30, (i + 1) << 30, 0, 0, 0) for i in range(nr)]
    monitor.set_regions(before)
    monitor.split()
    assert len(monitor.regions()) == 2 * nr
    monitor.set_regions(before)
    monitor.split()
    assert len(monitor.regions()) == pieces * nr


@pytest.mark.parametrize(("nr", "max_nr", "step"), [(51, 100, 2), (70, 100, 3), (95, 100, 20)])
def test_above_half_every_region_has_its_turn(nr: int, max_nr: int, step: int) -> None:
    monitor = _core.Monitor(min_nr_regions=3, max_nr_regions=max_nr)
    before = [Region(i << 30, (i + 1) << 30, 0, 0, 0) for i in range(nr)]
    for turn in range(2 * step):
        monitor.set_regions(before)
        monitor.split()
        whole = set(before) & set(held(monitor))
        split = [i for i, region in enumerate(before) if region not in whole]
        assert split == [i for i in range(nr) if i % step == turn % step]


def test_cuts_are_at_every_tenth() -> None:
    cuts = set()
    for seed in range(200):
        monitor = _core.Monitor(min_region_sz=1, seed=seed)
        monitor.set_regions([(0, 1000, 0, 0, 0)])
        monitor.split()
        cuts.add(monitor.regions()[0][1])
    assert cuts == set(range(100, 1000, 100))


@settings(max_examples=60, deadline=None)
@given(
    regions=regions_of(unit=4096, most=10),
    counts=st.lists(st.lists(COUNTS, min_size=1, max_size=20), min_size=1, max_size=12),
    seed=st.integers(0, 2**64 - 1),
)
def test_many_aggregations_keep_the_bounds(
    regions: list[Region], counts: list[list[int]], seed: int
) -> None:
    monitor = _core.Monitor(min_nr_regions=3, max_nr_regions=50, seed=seed)
    monitor.set_regions(regions)
    for row in counts:
        limit = monitor.apply_min_nr_regions()
        seen = [
            region._replace(
                nr_accesses=row[i % len(row)] % 21, last_nr_accesses=region.nr_accesses
            )
            for i, region in enumerate(held(monitor))
        ]
        monitor.set_regions(seen)
        monitor.merge(max(region.nr_accesses for region in seen) // 10, limit)
        assert all(region.size <= limit for region in held(monitor))
        monitor.split()
        after = held(monitor)
        assert outline(after) == outline(regions)
        assert all(a.target < b.target or a.end <= b.start for a, b in pairwise(after))
        assert len(after) <= max(50, len(seen))


@settings(max_examples=200, deadline=None)
@given(
    before=st.lists(regions_of(unit=4096, most=30), min_size=1, max_size=4),
    max_nr_regions=st.integers(3, 100),
    seed=st.integers(0, 2**64 - 1),
)
def test_split(before: list[list[Region]], max_nr_regions: int, seed: int) -> None:
    monitor = _core.Monitor(min_nr_regions=3, max_nr_regions=max_nr_regions, seed=seed)
    splitter = Splitter(Xoshiro(seed), max_nr_regions, 4096)
    for regions in before:
        monitor.set_regions(regions)
        monitor.split()
        assert held(monitor) == splitter.split(regions)


@settings(max_examples=200, deadline=None)
@given(
    regions=regions_of(),
    old=st.tuples(st.integers(1, 100), st.integers(1, 200)),
    new=st.tuples(st.integers(1, 100), st.integers(1, 200)),
    passed=st.integers(0, 300),
)
def test_new_intervals(
    regions: list[Region], old: tuple[int, int], new: tuple[int, int], passed: int
) -> None:
    before, after = ((sample, sample * nr) for sample, nr in (old, new))
    regions = [
        region._replace(
            nr_accesses=region.nr_accesses % (old[1] + 1),
            last_nr_accesses=region.last_nr_accesses % (old[1] + 1),
            hits=bytes(4),
            last_hits=bytes(4),
        )
        for region in regions
    ]
    monitor = _core.Monitor(*before)
    monitor.set_regions(regions)
    monitor.set_passed_samples(passed)
    monitor.set_attrs(*after)
    expected = [converted(region, before, after, passed < old[1]) for region in regions]
    assert held(monitor) == expected


@settings(max_examples=300, deadline=None)
@given(
    regions=regions_of(unit=4096, most=12),
    target=st.integers(0, 3),
    cuts=st.lists(st.integers(0, 30_000 * 512), unique=True, max_size=8).map(sorted),
    unit=st.sampled_from([4096, 4096 * 16, 1000]),
)
def test_update_ranges(regions: list[Region], target: int, cuts: list[int], unit: int) -> None:
    page = 4096
    ranges: list[tuple[int, int]] = []
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        start, end = start * unit // 8, end * unit // 8
        # ranges must not share a page
        if end > start and (not ranges or start // page >= -(-ranges[-1][1] // page)):
            ranges.append((start, end))
    monitor = _core.Monitor()
    monitor.set_regions(regions)
    monitor.update_ranges(target, ranges)
    assert held(monitor) == reference.update_ranges(regions, target, ranges, page)


def test_a_process_that_grows_and_moves() -> None:
    monitor = _core.Monitor()
    page = 4096
    monitor.set_regions(
        [(0, 4 * page, 5, 5, 9), (4 * page, 8 * page, 1, 1, 3), (20 * page, 24 * page, 7, 7, 7)]
    )
    monitor.update_ranges(0, [(page, 6 * page), (10 * page, 12 * page), (19 * page, 30 * page)])
    assert held(monitor) == [
        Region(page, 4 * page, 5, 5, 9),
        Region(4 * page, 6 * page, 1, 1, 3),
        Region(10 * page, 12 * page, 0, 0, 0),
        Region(19 * page, 30 * page, 7, 7, 7),
    ]
    monitor.update_ranges(0, [])
    assert monitor.regions() == []
