"""The numbers with which the kernel tests its own DAMON."""

from __future__ import annotations

import pytest

from damon_tuner import _core

from .reference import Region


def test_merge_joins_neighbours_of_similar_frequency() -> None:
    monitor = _core.Monitor()
    counted = [
        (0, 100, 0),
        (100, 112, 0),
        (114, 122, 10),
        (122, 130, 10),
        (130, 156, 20),
        (156, 170, 30),
        (170, 184, 1),
        (184, 230, 2),
        (230, 10170, 5),
    ]
    monitor.set_regions([(start, end, nr, 0, 0) for start, end, nr in counted])
    monitor.merge(9, 9999)
    assert [region[:2] for region in monitor.regions()] == [
        (0, 112),
        (114, 130),
        (130, 156),
        (156, 170),
        (170, 230),
        (230, 10170),
    ]


def test_merging_two_weighs_counts_and_ages_by_size() -> None:
    monitor = _core.Monitor()
    # steady regions: the merge that joins them first makes them one interval older
    monitor.set_regions([(0, 100, 10, 10, 8), (100, 300, 20, 20, 20)])
    monitor.merge(10, 9999)
    assert monitor.regions() == [Region(0, 300, 16, 10, 17)]


@pytest.mark.parametrize(
    ("nr_accesses", "last_nr_accesses", "left_bp", "expected"),
    [(3, 10, 7000, 10), (3, 10, 5000, 8), (32, 100, 1000, 42), (42, 49, 0, 42)],
)
def test_moving_sum(nr_accesses: int, last_nr_accesses: int, left_bp: int, expected: int) -> None:
    assert _core.mvsum(nr_accesses, last_nr_accesses, left_bp) == expected


def test_moving_sum_while_an_aggregation_runs() -> None:
    monitor = _core.Monitor(sample_us=10, aggr_us=100)
    monitor.set_regions([(0, 4096, 3, 10, 0)])
    monitor.set_passed_samples(8)
    assert monitor.nr_accesses_mvsum(0) == 5


@pytest.mark.parametrize(
    ("sample_us", "aggr_us", "expected"), [(100, 10_000, 15), (1, 1_000, 150)]
)
def test_new_intervals_convert_counts(sample_us: int, aggr_us: int, expected: int) -> None:
    monitor = _core.Monitor(sample_us=10, aggr_us=1_000)
    monitor.set_regions([(0, 4096, 15, 15, 0)])
    monitor.set_passed_samples(100)
    monitor.set_attrs(sample_us, aggr_us)
    assert monitor.regions() == [Region(0, 4096, expected, expected, 0)]


def test_new_intervals_convert_ages_and_restart_a_running_aggregation() -> None:
    monitor = _core.Monitor(sample_us=10, aggr_us=1_000)
    monitor.set_regions([(0, 4096, 15, 20, 30)])
    monitor.set_passed_samples(50)
    monitor.set_attrs(10, 2_000)
    assert monitor.regions() == [Region(0, 4096, 0, 40, 15)]


@pytest.mark.parametrize(
    ("total", "min_region_sz", "min_nr_regions", "limit", "nr_regions"),
    [(10, 1, 10, 1, 10), (10, 1, 15, 1, 10), (10, 2, 2, 6, 2), (10, 2, 10, 2, 5)],
)
def test_a_least_number_of_regions_is_kept(
    total: int, min_region_sz: int, min_nr_regions: int, limit: int, nr_regions: int
) -> None:
    monitor = _core.Monitor(min_nr_regions=min_nr_regions, min_region_sz=min_region_sz)
    monitor.set_regions([(0, total, 0, 0, 0)])
    assert monitor.apply_min_nr_regions() == limit
    assert len(monitor.regions()) == nr_regions


def test_above_half_of_the_most_regions_splitting_goes_on() -> None:
    monitor = _core.Monitor(max_nr_regions=1_500, min_region_sz=1)
    monitor.set_regions([(i * 100, i * 100 + 100, 0 if i % 2 else 100, 0, 5) for i in range(760)])
    monitor.split()
    assert 760 < len(monitor.regions()) <= 1_500
