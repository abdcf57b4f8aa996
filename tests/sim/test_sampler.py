"""The fast sampler draws what the check-by-check one does."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from damon_tuner import _core
from damon_tuner.kernel_iface.host import Intervals, MonitoringAttrs, Operations
from damon_tuner.kernel_iface.sim import SimContext

from .helpers import fixed_spec, steady_spec

Floats = NDArray[np.float64]

# Over all tests of a kind together: one false alarm in a thousand sets of seeds.
SIGNIFICANCE = 1e-3

NS = (1, 2, 3, 5, 8, 13, 20, 21, 32, 33, 47, 63, 64)
PS = (1e-4, 0.01, 0.3, 0.5, 0.7, 0.99)
NR_DRAWS = 60_000


def pooled(observed: Floats, expected: Floats, least: float = 5.0) -> tuple[Floats, Floats]:
    """Neighbouring values put together until each class expects at least ``least`` draws."""
    classes: list[list[float]] = [[0.0, 0.0]]
    for o, e in zip(observed, expected, strict=True):
        if classes[-1][1] >= least:
            classes.append([0.0, 0.0])
        classes[-1][0] += o
        classes[-1][1] += e
    if classes[-1][1] < least:
        o, e = classes.pop()
        classes[-1][0] += o
        classes[-1][1] += e
    table = np.array(classes).T
    return table[0], table[1]


@pytest.mark.parametrize("p", PS)
@pytest.mark.parametrize("n", NS)
def test_binomial_draws_are_binomial(n: int, p: float) -> None:
    draws = _core.binomial(n, p, NR_DRAWS, 1_000 * n + PS.index(p))
    observed = np.bincount(draws, minlength=n + 1).astype(np.float64)
    expected = NR_DRAWS * stats.binom.pmf(np.arange(n + 1), n, p)
    observed, expected = pooled(observed, expected)
    assert len(observed) >= 2
    expected *= observed.sum() / expected.sum()
    assert stats.chisquare(observed, expected).pvalue > SIGNIFICANCE / (len(NS) * len(PS))


@pytest.mark.parametrize("n", NS)
def test_binomial_of_never_and_always(n: int) -> None:
    assert set(_core.binomial(n, 0.0, 1_000, n)) == {0}
    assert set(_core.binomial(n, 1.0, 1_000, n)) == {n}


LOADS: Mapping[str, dict[str, float]] = {
    "phases": {"hot_share": 0.2, "hot_rate_hz": 40, "background_rate_hz": 0.5, "period_s": 4},
    "kv": {"mean_rate_hz": 30, "nr_slabs": 64, "skew": 1, "cold_share": 0.3},
    "diurnal": {"hot_rate_hz": 300, "background_rate_hz": 3, "low_share": 0.2, "high_share": 0.6},
}
# 20 samples an aggregation, and more than are drawn at once.
AGGREGATIONS_US = (100_000, 500_000)
LEVELS = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.95)
NR_SEEDS = 64


@cache
def observed(family: str, aggr_us: int, sampler: str) -> Floats:
    """A row a seed: share of bytes at most at each of LEVELS, mean share, number of regions."""
    batch = _core.Batch(NR_SEEDS, 1, 5_000, aggr_us, 10, 100, sampler)  # type: ignore[arg-type]
    spec = fixed_spec(family, LOADS[family])
    for host in range(NR_SEEDS):
        batch.reset(host, spec, host, 1.0)
    rows = []
    for _ in range(60):
        batch.step(None, 6 * aggr_us)
        rows.append([row_of(batch.snapshot(host), aggr_us) for host in range(NR_SEEDS)])
    return np.mean(rows, axis=0)


def row_of(snapshot: Mapping[str, tuple[tuple[int, ...], ...]], aggr_us: int) -> list[float]:
    start, end, nr_accesses, _ = np.array(snapshot["regions"], dtype=np.float64).T
    share, weights = nr_accesses / (aggr_us // 5_000), (end - start) / (end - start).sum()
    at_most = [float(weights[share <= level].sum()) for level in LEVELS]
    return [*at_most, float(weights @ share), float(len(start))]


@pytest.mark.parametrize("aggr_us", AGGREGATIONS_US)
@pytest.mark.parametrize("family", LOADS)
def test_both_samplers_see_the_same(family: str, aggr_us: int) -> None:
    fast = observed(family, aggr_us, "binomial")
    reference = observed(family, aggr_us, "per-check")
    # A seed draws the same load for both, so that seeds are compared one by one.
    difference = fast - reference
    moving = difference.std(axis=0) > 0
    assert moving[-2:].all()
    statistic, _ = stats.ttest_1samp(difference[:, moving], 0.0)
    pvalues = 2 * stats.t.sf(np.abs(statistic), NR_SEEDS - 1)
    nr_tests = len(LOADS) * len(AGGREGATIONS_US) * (len(LEVELS) + 2)
    assert pvalues.min() > SIGNIFICANCE / nr_tests
    # Precise enough to mean something: a bias of 4 % would be seen.
    error = difference[:, -2].std() / np.sqrt(NR_SEEDS)
    assert error < 0.007 * reference[:, -2].mean()


@pytest.mark.parametrize("family", LOADS)
def test_both_samplers_spread_alike_over_seeds(family: str) -> None:
    fast, reference = (observed(family, 100_000, name) for name in ("binomial", "per-check"))
    for column in (-2, -1):
        result = stats.ks_2samp(fast[:, column], reference[:, column])
        assert result.pvalue > SIGNIFICANCE / (2 * len(LOADS))


# What the simulator has.
OPERATIONS = (Operations.VADDR, Operations.PADDR)

# Accesses of a page a second, sampling intervals, bounds of the number of regions, small or huge
# pages, virtual or physical addresses.
GRID = tuple(
    itertools.product((0.01, 1.0, 40.0), (1_000, 20_000), (20, 100), (0.0, 2.0), OPERATIONS)
)
GRID_SEEDS = 32


def grid_rows(case: tuple[float, int, int, float, Operations], sampler: str) -> Floats:
    """As ``observed``, of a load that stands still."""
    rate_hz, sample_us, max_nr_regions, thp_mode, operations = case
    batch = _core.Batch(GRID_SEEDS, 1, sampler=sampler)  # type: ignore[arg-type]
    spec = steady_spec(0.3, rate_hz, rate_hz / 20, {"memory_ratio": 1.5, "thp_mode": thp_mode})
    attrs = MonitoringAttrs(Intervals(sample_us, 20 * sample_us), 10, max_nr_regions)
    vaddr = operations is Operations.VADDR
    context = SimContext(
        operations, attrs, targets=(0,) if vaddr else (), nodes=() if vaddr else (0,)
    )
    for host in range(GRID_SEEDS):
        batch.reset(host, spec, host, 1.0)
        batch.set_contexts(host, [context])
    rows = []
    for _ in range(20):
        batch.step(None, 3 * 20 * sample_us)
        rows.append([row_of(batch.snapshot(host), 20 * 5_000) for host in range(GRID_SEEDS)])
    return np.mean(rows, axis=0)


@pytest.mark.parametrize("case", GRID, ids=lambda case: "-".join(map(str, case)))
def test_both_samplers_see_the_same_over_a_grid(
    case: tuple[float, int, int, float, Operations],
) -> None:
    fast, reference = grid_rows(case, "binomial"), grid_rows(case, "per-check")
    difference = fast - reference
    moving = difference.std(axis=0) > 1e-12
    assert difference[:, ~moving] == pytest.approx(0.0, abs=1e-9)
    nr_tests = len(GRID) * (len(LEVELS) + 2) * 2
    for column in np.flatnonzero(moving):
        pvalue = stats.ttest_1samp(difference[:, column], 0.0).pvalue
        assert pvalue > SIGNIFICANCE / nr_tests
        pvalue = stats.ks_2samp(fast[:, column], reference[:, column]).pvalue
        assert pvalue > SIGNIFICANCE / nr_tests
