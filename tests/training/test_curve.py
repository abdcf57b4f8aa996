"""When most of what a run has learned was learned."""

import numpy as np
import pytest

from damon_tuner.training.curve import steps_to_share


def test_a_steady_rise_takes_most_of_the_run() -> None:
    curve = [(1_000 * (i + 1), i / 99) for i in range(100)]
    # nine tenths of 0.95, the mean of the last tenth, and half a window late
    assert steps_to_share(curve) == pytest.approx(89_000, abs=2_000)
    assert steps_to_share(curve, 0.5) == pytest.approx(51_000, abs=2_000)


def test_a_jump_is_where_it_is_although_rewards_are_noisy() -> None:
    rng = np.random.default_rng(0)
    curve = [(i, float(i > 30) + rng.normal(0, 0.05)) for i in range(100)]
    assert 31 <= steps_to_share(curve) <= 36


def test_what_got_worse_and_what_is_one_point_have_an_answer() -> None:
    assert steps_to_share([(i, -float(i > 10)) for i in range(100)]) == pytest.approx(15, abs=2)
    assert steps_to_share([(64, 1.0)]) == 64
