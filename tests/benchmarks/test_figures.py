"""Figures are plain numbers on JSON lines, and mean what they say."""

import json
import math
from dataclasses import replace

import pytest

from damon_tuner.benchmarks.field import PUBLISHED, field_figures
from damon_tuner.benchmarks.figure import Figure, repeated
from damon_tuner.benchmarks.outside import outside_figures
from damon_tuner.benchmarks.sets import HELD_OUT, TRAINING
from damon_tuner.benchmarks.speed import env_figures, sim_figures
from damon_tuner.benchmarks.speed_train import train_figures
from damon_tuner.cli import PRETRAINED
from damon_tuner.envs import EpisodeConfig
from damon_tuner.policies.envelope import Envelope, everything
from damon_tuner.policies.policy_file import load_policy

from ..policies.helpers import random_policy


def test_a_figure_is_one_line_of_json() -> None:
    line = repeated("a.b", [3.0, 1.0, 2.0], "1/s", hosts=4).line()
    assert json.loads(line) == {
        "figure": "a.b",
        "value": 2.0,
        "unit": "1/s",
        "min": 1.0,
        "max": 3.0,
        "runs": 3,
        "hosts": 4,
    }
    assert json.loads(Figure("x", math.nan, "share").line())["value"] is None


# A tenth of what is aimed at: what is lost by a mistake is more, what a busy machine takes less.
SPEED_BOUNDS = {
    "sim.ns_per_region_aggregation": (0.0, 250.0),
    "sim.region_aggregations_per_s": (4e6, math.inf),
    "sim.speedup_over_reference": (2.0, math.inf),
    "sim.simulated_s_per_s": (1_000.0, math.inf),
    "sim.cost_growth": (0.2, 3.0),
    "sim.thread_speedup": (0.2, 2.5),
    "env.steps_per_s": (1_000.0, math.inf),
    "env.python_us_per_host": (-20.0, 20.0),
    "train.fps_ratio": (0.01, 1.1),
}


def test_the_shipped_policy_is_seldom_outside_of_what_it_was_trained_on() -> None:
    # decisions of one episode are alike: of fewer episodes one that is odd would be a percent
    figures = outside_figures(load_policy(PRETRAINED), budget=0.02, seeds=16)
    assert [f.more["set"] for f in figures] == [TRAINING, HELD_OUT]
    assert figures[0].more["decisions"] == 7 * 16 * 180
    assert all(f.value < 0.01 for f in figures)


def test_a_policy_is_outside_where_its_envelope_is_narrow() -> None:
    narrow = (0.0,) * len(everything().low)
    policy = replace(random_policy(), envelope=Envelope(narrow, narrow))
    config = EpisodeConfig(episode_s=25.0)
    figure = outside_figures(policy, budget=0.02, seeds=1, config=config)[0]
    assert figure.value == 1.0
    assert figure.more["features"]["budget_log"] == 1.0


@pytest.mark.slow
def test_speed_is_measured_and_not_lost() -> None:
    figures = {f.name: f.value for f in [*sim_figures(1), *env_figures(1), *train_figures(1)]}
    assert figures.keys() == SPEED_BOUNDS.keys()
    for name, (low, high) in SPEED_BOUNDS.items():
        assert low < figures[name] < high, name


@pytest.mark.slow
def test_the_families_can_show_what_the_field_has_seen() -> None:
    figures = {f.name.removeprefix("field."): f for f in field_figures(2)}
    assert figures.keys() >= PUBLISHED.keys()
    for name in PUBLISHED:
        assert figures[name].more["published_mean_is_within"], name
    assert figures["pageout_5s.memory_change"].value < figures["damon_reclaim.memory_change"].value
    assert (
        figures["thp_always.memory_change"].value
        > 0.0
        > figures["thp_always.runtime_change"].value
    )
