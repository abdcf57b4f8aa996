"""The score rewards what is saved within the budget, and never what is saved by breaking it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from damon_tuner.benchmarks.bounds import episode_bounds
from damon_tuner.benchmarks.normalised import (
    improvements,
    is_scored,
    normalised_score,
    worst_family,
)
from damon_tuner.envs import EpisodeConfig
from damon_tuner.envs.workload_file import bundled_workload

NAN = float("nan")


def _score(saving: float, slowdown: float, bound: float = 0.4, budget: float = 0.02) -> float:
    return float(normalised_score(*map(np.array, (saving, slowdown, bound, budget))))


@pytest.mark.parametrize(
    ("saving", "slowdown", "wanted"),
    [
        (0.0, 0.0, 0.0),  # no management
        (0.4, 0.02, 1.0),  # the bound
        (0.2, 0.0, 0.5),
        (0.2, 0.02, 0.5),
        (0.2, -0.5, 0.5),  # what is faster saves no memory by it
        (0.2, 0.03, 0.0),
        (0.4, 0.04, 0.0),
        (0.4, 9.0, -1.0),
        (-0.1, 0.0, -0.25),
    ],
)
def test_scores(saving: float, slowdown: float, wanted: float) -> None:
    assert _score(saving, slowdown) == pytest.approx(wanted)


@given(
    budget=st.floats(0.001, 0.2),
    slowdown=st.floats(0.0, 2.0),
    bend=st.floats(0.05, 1.0),
    at_zero=st.floats(0.0, 0.5),
)
def test_on_a_concave_curve_nothing_beats_the_budget(
    budget: float, slowdown: float, bend: float, at_zero: float
) -> None:
    def most(s: float) -> float:
        return float(at_zero + 0.4 * s**bend)

    bound = most(budget)
    if bound >= 0.01:
        assert _score(most(slowdown), slowdown, bound, budget) <= 1.0 + 1e-9


def test_episodes_without_a_bound_worth_the_name_have_no_score() -> None:
    bound = np.array([NAN, 0.0, -3.0, 0.0099, 0.01, 0.5])
    assert is_scored(bound).tolist() == [False] * 4 + [True] * 2
    scores = normalised_score(np.full(6, 0.005), np.zeros(6), bound, np.full(6, 0.02))
    assert np.isnan(scores).tolist() == [True] * 4 + [False] * 2


def test_better_is_one_worse_is_zero_and_the_same_is_a_half() -> None:
    ours, theirs = np.array([[0.5, 0.2, 0.1], [0.5, 0.1, 0.0]]), np.array([[0.4, 0.2, 0.3]])
    assert improvements(ours, theirs).tolist() == [[1.0, 0.5, 0.0], [1.0, 0.0, 0.0]]


def test_against_a_fixed_score_it_is_the_probability_that_rliable_prints() -> None:
    # which pairs all with all: the same, where all of one side are equal
    ours = np.random.default_rng(0).normal(0.2, 1.0, 50)
    theirs = np.zeros(50)
    wanted = mannwhitneyu(ours, theirs, alternative="greater").statistic / 50**2
    assert improvements(ours, theirs).mean() == pytest.approx(wanted)


def test_the_worst_family_is_the_one_with_the_lowest_mean() -> None:
    scores = {
        "kv": [np.array([[1.0, 0.0]]), np.array([[0.0]])],
        "scan": [np.array([[0.3, 0.1]])],
    }
    assert worst_family(scores) == ("scan", pytest.approx(0.2))


def test_bounds_rise_with_the_budget_and_are_missing_where_the_load_is_killed() -> None:
    config = EpisodeConfig(episode_s=120.0)
    kv = bundled_workload("kv")
    bounds = episode_bounds(kv, range(2), ("reclaim",), (0.01, 0.05), config=config)
    assert bounds.shape == (2, 2)
    assert (bounds[:, 0] <= bounds[:, 1]).all() and (bounds >= 0.0).all()
    short = {"memory_ratio": (0.3, 0.3), "pool_share": (0.0, 0.0), "swap_ratio": (0.0, 0.0)}
    killed = episode_bounds(
        replace(kv, profile=short), range(1), ("reclaim",), (0.02,), config=config
    )
    assert np.isnan(killed).all()
