"""Derived attributes agree with the simulated truth, which is told from the rates alone."""

from functools import cache

import numpy as np
import pytest

from damon_tuner.benchmarks.attributes.compare import (
    VIEWS,
    Score,
    attribute_figures,
    episode_score,
)
from damon_tuner.benchmarks.attributes.cost import cost_figures
from damon_tuner.benchmarks.attributes.truth import Recorder, Truth
from damon_tuner.envs.workload_file import Workload
from damon_tuner.kernel_iface.sim import SimHost

# neither those that are reported nor those that thresholds were chosen on
SEEDS = range(3000, 3006)
REPORT = VIEWS[1]
SIZE = {"footprint_bytes": (1e9, 1e9)}


def truth(family: str, seconds: float, **parameters: float) -> Truth:
    ranges = {name: (value, value) for name, value in parameters.items()}
    host = SimHost(Workload("w", family, SIZE | ranges).spec(), seed=1)
    host.start(())
    recorder = Recorder(host, seconds)
    for _ in range(round(seconds * 10)):
        host.advance(0.1)
        recorder.look()
    return recorder.truth()


@cache
def score(family: str) -> Score:
    total = Score()
    for seed in SEEDS:
        total.take(episode_score(family, seed, REPORT))
    return total


def test_a_scan_is_truly_sequential_and_comes_back_with_each_pass() -> None:
    found = truth("scan", 240.0, pass_s=60.0, hot_share=0.25)
    assert found.is_sequential.mean() == pytest.approx(0.75, abs=0.02)
    assert not found.is_sequential[:100].any()
    assert not found.is_irregular.any()
    assert np.nanmedian(found.reuse_s) == pytest.approx(60.0, abs=0.2)


def test_slabs_whose_popularity_drifts_are_not_sequential() -> None:
    found = truth("kv", 400.0, drift_interval_s=10.0, mean_rate_hz=0.1, skew=1.0)
    assert not found.is_sequential.any()
    assert found.is_irregular.mean() > 0.3


def test_places_that_take_turns_are_used_together_each_for_itself() -> None:
    found = truth("phases", 600.0, nr_phases=2.0, period_s=30.0, hot_share=0.1, random_order=0.0)
    used = np.array([b for b, begins in enumerate(found.begins) if len(begins) > 2])
    together = found.together(used)
    first = together[0]
    assert first.any() and not first.all()
    np.testing.assert_array_equal(together[first][:, first], True)
    assert not together[first][:, ~first].any()


@pytest.mark.parametrize(
    ("family", "attribute", "precision", "recall"),
    [
        ("scan", "sequential", 0.85, 0.75),
        ("ml_epochs", "sequential", 0.85, 0.75),
        ("growth", "sequential", 0.8, 0.75),
        ("phases", "irregular", 0.4, 0.7),
        ("graph", "colocated", 0.8, 0.2),
        ("phases", "colocated", 0.6, 0.6),
    ],
)
def test_what_is_derived_agrees_with_the_truth(
    family: str, attribute: str, precision: float, recall: float
) -> None:
    tally = score(family).tallies[attribute]
    assert tally.hit + tally.missed > 50
    assert tally.hit / (tally.hit + tally.false) >= precision
    assert tally.hit / (tally.hit + tally.missed) >= recall


@pytest.mark.parametrize("family", ["kv", "phases", "idle"])
def test_what_is_not_sequential_is_seldom_called_so(family: str) -> None:
    tally = score(family).tallies["sequential"]
    assert tally.hit + tally.missed == 0
    assert tally.false <= 20


def test_reuse_intervals_are_right_within_a_factor_of_two() -> None:
    errors = np.abs(score("scan").reuse_errors)
    assert len(errors) > 50
    assert (errors <= 1.0).mean() >= 0.8


def test_figures_come_by_view_family_and_over_all() -> None:
    figures = {f.name: f for f in attribute_figures(("scan",), (3000,))}
    for view in VIEWS:
        for family in ("scan", "all"):
            for name in ("sequential", "irregular", "colocated"):
                assert f"attributes.{view.name}.{family}.{name}.precision" in figures
                assert f"attributes.{view.name}.{family}.{name}.recall" in figures
            assert figures[f"attributes.{view.name}.{family}.reuse.error"].unit == "factor"
    assert "attributes.update" in figures


def test_a_step_costs_little() -> None:
    (figure,) = cost_figures()
    # 54 us where nothing disturbs
    assert 0.0 < figure.value < 1_000.0
