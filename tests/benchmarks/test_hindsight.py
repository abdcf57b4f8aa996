"""The oracle chooses the best within the breaches allowed, and says where that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from damon_tuner.benchmarks.hindsight import chosen_afterwards

# two contenders, four episodes: bold is better in three of them, and breaches in those
SCORES = np.array([[0.8, 0.5, 0.3, -0.2], [0.1, 0.1, 0.1, 0.1]])
BREACHES = np.array([[0.08, 0.08, 0.08, 0.0], [0.0, 0.0, 0.0, 0.0]])


def _chosen(breaches_max: float) -> list[float]:
    chosen = chosen_afterwards([SCORES], [BREACHES], breaches_max)
    assert chosen is not None
    return [float(score) for score in chosen[0]]


def test_where_breaches_are_no_matter_the_best_is_chosen() -> None:
    assert _chosen(1.0) == [0.8, 0.5, 0.3, 0.1]


@pytest.mark.parametrize(
    ("breaches_max", "expected"),
    [
        (0.06, [0.8, 0.5, 0.3, 0.1]),
        (0.04, [0.8, 0.5, 0.1, 0.1]),
        (0.02, [0.8, 0.1, 0.1, 0.1]),
        (0.0, [0.1, 0.1, 0.1, 0.1]),
    ],
)
def test_breaches_are_spent_where_they_bring_most(
    breaches_max: float, expected: list[float]
) -> None:
    assert _chosen(breaches_max) == expected


def test_what_is_left_is_spent_where_all_are_worth_the_same() -> None:
    scores, breaches = np.array([[0.5] * 4, [0.1] * 4]), np.array([[0.04] * 4, [0.0] * 4])
    chosen = chosen_afterwards([scores], [breaches], 0.025)
    assert chosen is not None
    assert list(chosen[0]) == [0.5, 0.5, 0.1, 0.1]


def test_workloads_weigh_the_same_however_many_episodes_they_have() -> None:
    """One episode with breaches of 8 % and four without: 4 %, though 1.6 % of all intervals."""
    bold = [SCORES[:, :1], np.full((2, 4), 0.2)]
    breaches = [BREACHES[:, :1], np.zeros((2, 4))]
    within, tighter = (chosen_afterwards(bold, breaches, most) for most in (0.04, 0.03))
    assert within is not None and tighter is not None
    assert (within[0][0], tighter[0][0]) == (0.8, 0.1)


def test_there_is_no_choice_where_everybody_is_over_the_budget() -> None:
    assert chosen_afterwards([SCORES], [np.full_like(BREACHES, 0.5)], 0.02) is None
