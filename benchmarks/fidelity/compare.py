"""The simulator against the recordings, as figures.

For each pattern and operations set the simulator plays what the load was measured to do, with
the sampling interval that the kernel really kept, under several seeds. Each seed is compared with
each run of the kernel; a figure is the mean of these distances. Beside it stand the same distance
between two seeds of the simulator (``between_seeds``) and between two runs of the kernel
(``between_runs``): what cannot be told apart from chance.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from math import isfinite, nan
from pathlib import Path

from damon_tuner.benchmarks.fidelity.damos import scheme_figures
from damon_tuner.benchmarks.fidelity.distance import Distances, Series, distances
from damon_tuner.benchmarks.fidelity.golden import GOLDEN, OPERATIONS, PATTERNS, golden, runs
from damon_tuner.benchmarks.fidelity.simulate import recorded, simulate
from damon_tuner.benchmarks.figure import Figure

SEEDS = (1, 2, 3, 4)
UNITS: Mapping[str, str] = {
    "nr_accesses_wasserstein": "samples",
    "regions_difference": "share",
    "hot_precision": "share",
    "hot_recall": "share",
    "age_wasserstein": "aggregations",
}


def fidelity_figures(folder: Path = GOLDEN) -> list[Figure]:
    """Every distance of every pattern, their medians, and what schemes do."""
    figures: list[Figure] = []
    for operations in OPERATIONS:
        for pattern in PATTERNS:
            figures += pattern_figures(pattern, operations, folder)
    return [*figures, *_medians(figures), *scheme_figures(folder)]


def pattern_figures(pattern: str, operations: str, folder: Path = GOLDEN) -> list[Figure]:
    """The distances of one pattern under one operations set."""
    recordings = [golden(pattern, operations, run, folder) for run in runs(pattern, operations)]
    real = [recorded(recording) for recording in recordings]
    simulated = [simulate(recordings[0], seed) for seed in SEEDS]
    ours = _mean([distances(s, run) for s in simulated for run in real])
    seeds = _mean(list(_among(simulated)))
    repeats = _mean(list(_among(real)))
    ours["regions_difference"] = _mean_regions(simulated) / _mean_regions(real) - 1.0
    about = {
        "aggregations": len(recordings[0].time_s),
        "sample_us": round(recordings[0].sample_s * 1e6),
        "regions": round(_mean_regions(real), 1),
    }
    return [
        Figure(
            f"fidelity.{pattern}.{operations}.{name}",
            value,
            UNITS[name],
            {
                "between_seeds": _or_none(seeds[name]),
                "between_runs": _or_none(repeats[name]),
                **about,
            },
        )
        for name, value in ours.items()
    ]


def _mean_regions(series: Sequence[Series]) -> float:
    return statistics.mean(float(s.nr_regions.mean()) for s in series)


def _among(series: Sequence[Series]) -> Iterator[Distances]:
    """Each of them against each other one, once in each direction."""
    for left, right in combinations(series, 2):
        yield distances(left, right)
        yield distances(right, left)


def _mean(found: Sequence[Distances]) -> dict[str, float]:
    """Means of what is defined; of the regions' difference, that of its size."""
    rows = [asdict(d) for d in found]
    means = {}
    for name in UNITS:
        values = [row[name] for row in rows if isfinite(row[name])]
        if name == "regions_difference":
            values = [abs(value) for value in values]
        means[name] = statistics.mean(values) if values else nan
    return means


def _medians(figures: Sequence[Figure]) -> list[Figure]:
    medians = []
    for operations in OPERATIONS:
        for name, unit in UNITS.items():
            of_patterns = [f for f in figures if f.name.endswith(f".{operations}.{name}")]
            floors = {
                floor: _or_none(_median([f.more[floor] for f in of_patterns]))
                for floor in ("between_seeds", "between_runs")
            }
            # of a difference, how large it is, whatever its sign
            value = _median([abs(f.value) for f in of_patterns])
            more = {**floors, "patterns": len(of_patterns)}
            medians.append(Figure(f"fidelity.median.{operations}.{name}", value, unit, more))
    return medians


def _median(values: Sequence[object]) -> float:
    defined = [value for value in values if isinstance(value, float) and isfinite(value)]
    return statistics.median(defined) if defined else nan


def _or_none(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if isfinite(value) else None
