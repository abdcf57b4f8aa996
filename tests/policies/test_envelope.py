"""An envelope says which features are not what a policy was trained on."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damon_tuner.cli import PRETRAINED
from damon_tuner.policies.envelope import Envelope, everything
from damon_tuner.policies.policy_file import load_policy
from damon_tuner.policies.schema import RECLAIM

from .helpers import NR_FEATURES

LOW, HIGH = (0.0,) * NR_FEATURES, (0.5,) * NR_FEATURES


def _with(**features: float) -> list[float]:
    return [features.get(name, 0.25) for name in RECLAIM.observation_names]


def test_what_lies_within_the_margin_is_not_outside() -> None:
    envelope = Envelope(LOW, HIGH)
    assert envelope.outside(_with(budget_log=0.599, swap_in_log=-0.099)) == ()
    assert envelope.outside(_with(budget_log=0.601)) == ("budget_log",)
    assert envelope.outside(_with(budget_log=0.601, swap_in_log=-0.101)) == (
        "swap_in_log",
        "budget_log",
    )


def test_a_feature_that_is_not_a_number_is_outside() -> None:
    assert everything().outside(_with(pressure_now=math.nan)) == ("pressure_now",)


def test_what_the_decision_path_sets_itself_is_never_outside() -> None:
    own = {"hold": 1.0, "last_quota": -1.0, "last_min_age": 1.0}
    assert Envelope(LOW, HIGH).outside(_with(**own)) == ()


@given(st.lists(st.floats(-1.0, 1.0), min_size=NR_FEATURES, max_size=NR_FEATURES))
def test_nothing_that_can_be_observed_is_outside_of_everything(observation: list[float]) -> None:
    assert everything().outside(observation) == ()


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (LOW[1:], HIGH[1:]),
        (LOW, HIGH[1:]),
        (HIGH, LOW),
        ((math.nan, *LOW[1:]), HIGH),
        (LOW, (math.inf, *HIGH[1:])),
    ],
)
def test_what_is_no_range_is_refused(low: tuple[float, ...], high: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="envelope"):
        Envelope(low, high)


def test_an_observation_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        everything().outside([0.0])


def test_the_shipped_policy_knows_what_it_was_trained_on() -> None:
    envelope = load_policy(PRETRAINED).envelope
    middle = [(low + high) / 2 for low, high in zip(envelope.low, envelope.high, strict=True)]
    seen = dict(zip(envelope.schema.observation_names, middle, strict=True))
    assert envelope.outside(middle) == ()
    # a disk in place of zram, and a budget of one in ten thousand
    assert envelope.outside(list((seen | {"swap_in_log": 1.0}).values())) == ("swap_in_log",)
    assert envelope.outside(list((seen | {"budget_log": -1.0}).values())) == ("budget_log",)
