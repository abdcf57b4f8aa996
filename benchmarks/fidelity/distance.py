"""How far two series of DAMON's regions are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damon_tuner.benchmarks.fidelity.recording import PAGE_BYTES, Regions

SAMPLES = 20
HOT = SAMPLES // 2


@dataclass(frozen=True, slots=True)
class Series:
    """Regions over time.

    ``places`` says for each page of what is compared which page of the regions' addresses it is,
    ``nr_regions`` counts the regions of every aggregation, those beside the compared included.
    """

    places: NDArray[np.int64]
    nr_regions: NDArray[np.int64]
    time_s: NDArray[np.float64]
    regions: Sequence[Regions]


@dataclass(frozen=True, slots=True)
class Distances:
    """What separates a series from a reference.

    ``nr_accesses_wasserstein`` and ``age_wasserstein`` are the areas between the cumulative
    distributions of bytes over ``nr_accesses`` (in samples of 20) and over ages (in
    aggregations), all instants pooled. ``regions_difference`` is that of the mean numbers of
    regions, as a share of the reference's.

    A page is hot where its region's ``nr_accesses`` is at least half of the samples. At each
    instant of the reference the hot pages are compared with those of the series' aggregation
    that is nearest in time; with the bytes of all instants added up, precision is the share of
    the series' hot bytes that are hot in the reference as well, and recall the share of the
    reference's hot bytes that are hot in the series. Both are NaN where there are none.
    """

    nr_accesses_wasserstein: float
    regions_difference: float
    hot_precision: float
    hot_recall: float
    age_wasserstein: float


def distances(series: Series, reference: Series) -> Distances:
    """Return what separates ``series`` from ``reference``."""
    precision, recall = _hot_overlap(series, reference)
    mean_regions = float(reference.nr_regions.mean())
    ages = 1 + max(int(r.age.max()) for s in (series, reference) for r in s.regions)
    return Distances(
        _wasserstein(*(_shares(s, "nr_accesses", SAMPLES + 1) for s in (series, reference))),
        float(series.nr_regions.mean()) / mean_regions - 1.0,
        precision,
        recall,
        _wasserstein(*(_shares(s, "age", ages) for s in (series, reference))),
    )


def heat_of_pages(series: Series, instant: int) -> NDArray[np.int64]:
    """``nr_accesses`` of each page of what is compared; 0 where no region is."""
    regions = series.regions[instant]
    heat = np.zeros(int(series.places.max()) + 1, dtype=np.int64)
    for start, end, nr_accesses in zip(
        regions.start // PAGE_BYTES, regions.end // PAGE_BYTES, regions.nr_accesses, strict=True
    ):
        heat[start:end] = nr_accesses
    return heat[series.places]


def _shares(series: Series, field: str, length: int) -> NDArray[np.float64]:
    """Which share of the bytes has each value of ``field``."""
    values = np.concatenate([getattr(r, field) for r in series.regions])
    sizes = np.concatenate([r.size for r in series.regions]).astype(np.float64)
    counts = np.bincount(values, weights=sizes, minlength=length)
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def _wasserstein(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    return float(np.abs(np.cumsum(left - right)).sum())


def _hot_overlap(series: Series, reference: Series) -> tuple[float, float]:
    both = ours = theirs = 0
    for instant, time_s in enumerate(reference.time_s):
        nearest = int(np.abs(series.time_s - time_s).argmin())
        hot = heat_of_pages(series, nearest) >= HOT
        truly = heat_of_pages(reference, instant) >= HOT
        both += int((hot & truly).sum())
        ours += int(hot.sum())
        theirs += int(truly.sum())
    return (both / ours if ours else np.nan), (both / theirs if theirs else np.nan)
