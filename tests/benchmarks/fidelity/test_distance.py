"""Distances are what their names say, on series small enough to work out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from damon_tuner.benchmarks.fidelity.distance import Series, distances, heat_of_pages
from damon_tuner.benchmarks.fidelity.recording import PAGE_BYTES, Regions

_Row = tuple[int, int, int, int]


def _regions(rows: list[_Row]) -> Regions:
    """From (first page, last page, nr_accesses, age)."""
    start, end, nr_accesses, age = np.array(rows, dtype=np.int64).T
    return Regions(start * PAGE_BYTES, end * PAGE_BYTES, nr_accesses, age)


def _series(*instants: list[_Row]) -> Series:
    return Series(
        places=np.arange(10),
        nr_regions=np.array([len(rows) for rows in instants]),
        time_s=np.arange(1.0, 1 + len(instants)),
        regions=[_regions(rows) for rows in instants],
    )


HALF_HOT = _series([(0, 5, 12, 1), (5, 10, 0, 9)])


def test_a_series_is_at_no_distance_from_itself() -> None:
    found = distances(HALF_HOT, HALF_HOT)
    assert (found.nr_accesses_wasserstein, found.age_wasserstein) == (0.0, 0.0)
    assert found.regions_difference == 0.0
    assert (found.hot_precision, found.hot_recall) == (1.0, 1.0)


def test_heat_is_weighted_by_bytes_not_by_regions() -> None:
    # nine pages of ten move by two samples
    left = _series([(0, 9, 4, 0), (9, 10, 20, 0)])
    right = _series([(0, 9, 2, 0), (9, 10, 20, 0)])
    assert distances(left, right).nr_accesses_wasserstein == pytest.approx(1.8)


def test_ages_are_compared_apart_from_heat() -> None:
    older = _series([(0, 5, 12, 1), (5, 10, 0, 19)])
    found = distances(older, HALF_HOT)
    assert found.nr_accesses_wasserstein == 0.0
    assert found.age_wasserstein == pytest.approx(5.0)


def test_precision_and_recall_are_of_hot_bytes() -> None:
    wider = _series([(0, 8, 10, 0), (8, 10, 9, 0)])
    found = distances(wider, HALF_HOT)
    assert found.hot_precision == pytest.approx(5 / 8)
    assert found.hot_recall == 1.0
    assert distances(HALF_HOT, wider).hot_recall == pytest.approx(5 / 8)


def test_instants_are_matched_by_time() -> None:
    moved = _series([(0, 5, 12, 1), (5, 10, 0, 9)], [(0, 5, 0, 1), (5, 10, 12, 0)])
    sparse = Series(moved.places, moved.nr_regions, moved.time_s[1:], moved.regions[1:])
    assert distances(moved, sparse).hot_recall == 1.0


def test_without_hot_bytes_there_is_neither_precision_nor_recall() -> None:
    cold = _series([(0, 10, 3, 0)])
    found = distances(cold, HALF_HOT)
    assert math.isnan(found.hot_precision)
    assert found.hot_recall == 0.0


def test_the_number_of_regions_is_relative_to_the_reference() -> None:
    more = _series([(0, 5, 12, 1), (5, 7, 0, 9), (7, 10, 0, 9)])
    assert distances(more, HALF_HOT).regions_difference == pytest.approx(0.5)


def test_pages_between_regions_are_cold() -> None:
    series = _series([(1, 3, 7, 0), (4, 5, 2, 0)])
    assert list(heat_of_pages(series, 0)) == [0, 7, 7, 0, 2, 0, 0, 0, 0, 0]


def test_pages_are_compared_wherever_they_are() -> None:
    behind = _series([(0, 5, 0, 9), (5, 10, 12, 1)])
    moved = Series(np.roll(behind.places, 5), behind.nr_regions, behind.time_s, behind.regions)
    assert distances(moved, HALF_HOT).hot_recall == 1.0
    assert distances(behind, HALF_HOT).hot_recall == 0.0


def test_regions_are_cut_to_what_is_compared() -> None:
    cut = _regions([(0, 4, 1, 0), (4, 9, 2, 0)]).within(2 * PAGE_BYTES, 6 * PAGE_BYTES)
    assert list(cut.start // PAGE_BYTES) == [0, 2]
    assert list(cut.end // PAGE_BYTES) == [2, 4]
