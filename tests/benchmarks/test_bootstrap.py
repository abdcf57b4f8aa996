"""Means and intervals are the ones that the field's definition gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import trim_mean

from damon_tuner.benchmarks.bootstrap import bootstrap, interquartile_mean


@given(
    st.lists(
        arrays(np.float64, st.tuples(st.just(1), st.integers(1, 9)), elements=st.floats(-1, 1)),
        min_size=1,
        max_size=4,
    )
)
def test_the_interquartile_mean_is_scipys(strata: list[np.ndarray]) -> None:
    # rliable's aggregate_iqm is this call on all scores
    wanted = trim_mean(np.concatenate(strata, axis=1), proportiontocut=0.25, axis=None)
    assert interquartile_mean(strata)[0] == pytest.approx(wanted, abs=1e-12)


def test_an_outlier_moves_the_mean_and_not_the_interquartile_mean() -> None:
    scores = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, -1.0])
    assert bootstrap([scores], interquartile_mean).value == 0.5
    assert bootstrap([scores]).value < 0.4


def test_the_interval_holds_the_number_and_narrows_with_the_spread() -> None:
    spread = np.arange(10.0) / 10.0
    wide, narrow = bootstrap([spread]), bootstrap([0.45 + spread / 100.0])
    assert wide.low < wide.value < wide.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 10.0
    assert bootstrap([spread]) == wide


def test_the_interval_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(1).normal(size=400)
    found = bootstrap([values])
    error = values.std() / np.sqrt(len(values))
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_workloads_weigh_the_same_however_many_episodes_they_have() -> None:
    assert bootstrap([np.zeros(90), np.ones(10)]).value == pytest.approx(0.5)


def test_what_differs_between_workloads_alone_does_not_widen_the_interval() -> None:
    found = bootstrap([np.zeros(5), np.ones(5)])
    assert (found.low, found.high) == (0.5, 0.5)


def test_training_seeds_are_resampled_for_all_workloads_together() -> None:
    """Policies that differ widen the interval, however many episodes and workloads there are."""
    by_seed = np.array([[0.2], [0.4], [0.6]]) + np.zeros((3, 50))
    found = bootstrap([by_seed, by_seed, by_seed], interquartile_mean)
    assert found.value == pytest.approx(0.4)
    # all draws of the same policy: one in nine
    assert found.low == pytest.approx(0.2, abs=0.07)
    assert found.high == pytest.approx(0.6, abs=0.07)


@pytest.mark.parametrize("strata", [[], [np.zeros(0)], [np.zeros((2, 3)), np.zeros((3, 3))]])
def test_what_has_no_mean_is_refused(strata: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"nothing|training seeds"):
        bootstrap(strata)
