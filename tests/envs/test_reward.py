"""The reward prefers saving within the budget to saving beyond it."""

import numpy as np
import pytest

from damon_tuner._core import TRUTH_NAMES
from damon_tuner.envs.reward import Outcome, RewardWeights, outcome, reward


def _truth(**values: float) -> np.ndarray:
    defaults = {
        "time_us": 5e6,
        "cost_unmanaged_byte_s": 1.0,
        "touched_byte_s": 1.0,
        "busy_us": 5e6,
    }
    return np.array([[{**defaults, **values}.get(name, 0.0) for name in TRUTH_NAMES]])


def _reward(saving: float, slowdown: float, budget: float = 0.02) -> float:
    one = np.ones(1)
    result = Outcome(saving * one, slowdown * one, saving * one)
    return float(reward(result, budget * one, RewardWeights())[0])


def test_saving_is_the_part_of_the_cost_that_is_gone() -> None:
    result = outcome(_truth(cost_byte_s=0.7, resident_byte_s=0.6))
    assert result.saving[0] == pytest.approx(0.3)
    assert result.resident_saving[0] == pytest.approx(0.4)


def test_slowdown_counts_what_management_lost_against_work() -> None:
    result = outcome(_truth(lost_us=1.6e5, lost_unmanaged_us=1e4, busy_us=1e6))
    assert result.slowdown[0] == pytest.approx(0.15)


def test_an_idle_tenant_has_no_infinite_slowdown() -> None:
    assert outcome(_truth(lost_us=1e3, busy_us=0.0)).slowdown[0] == pytest.approx(0.02)


def test_more_saving_is_better_and_more_slowdown_is_worse() -> None:
    assert _reward(0.4, 0.01) > _reward(0.3, 0.01)
    slowdowns = [0.0, 0.01, 0.02, 0.04, 0.2, 0.6]
    rewards = [_reward(0.4, s) for s in slowdowns]
    assert rewards == sorted(rewards, reverse=True)
    assert len(set(rewards)) == len(rewards)


def test_a_breach_costs_more_than_twice_the_saving_it_bought() -> None:
    assert _reward(0.5, 0.08) < _reward(0.05, 0.0)


def test_the_same_slowdown_is_fine_for_a_larger_budget() -> None:
    assert _reward(0.4, 0.05, budget=0.1) > _reward(0.4, 0.05, budget=0.01) + 0.4


def test_a_little_everywhere_is_better_than_much_in_one_place() -> None:
    assert 2 * _reward(0.2, 0.0) > _reward(0.4, 0.0) + _reward(0.0, 0.0)
    assert _reward(-0.1, 0.0) == pytest.approx(-_reward(0.1, 0.0))


def test_a_breach_of_a_larger_budget_costs_more() -> None:
    prices = [_reward(0.0, 0.0, b) - _reward(0.0, b * 1.0001, b) for b in (0.01, 0.02, 0.05)]
    assert prices == sorted(prices)
    assert prices[1] == pytest.approx(RewardWeights().breach + RewardWeights().used, rel=1e-3)
