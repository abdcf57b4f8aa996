"""Variants are trained alike but for what they name, and judged on the same episodes."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from damon_tuner.benchmarks.ablations import (
    VARIANTS,
    Run,
    Variant,
    ablation_figures,
    groups,
    hyperparams,
    weights,
)
from damon_tuner.benchmarks.bootstrap import Floats
from damon_tuner.benchmarks.learning_curve import curve_figures
from damon_tuner.benchmarks.validation import Validation, new_validation
from damon_tuner.envs.workload_file import bundled_workload
from damon_tuner.training.config import TrainConfig

from ..policies.helpers import constant_policy
from ..training.small import tiny_config

WORKLOADS = [bundled_workload(name) for name in ("idle", "scan", "ml_epochs")]
OFF, EAGER = constant_policy((1.0, -1.0)), constant_policy((-1.0, 1.0))


def last_first(
    function: Callable[[Run], list[Floats]], runs: Sequence[Run]
) -> Iterator[tuple[int, list[Floats]]]:
    """As processes might: in another order, and each run pickled."""
    for index in reversed(range(len(runs))):
        yield index, function(pickle.loads(pickle.dumps(runs[index])))


@pytest.fixture(scope="module")
def validation() -> Validation:
    episodes = tiny_config().episodes
    return new_validation(episodes, WORKLOADS, seeds=range(2), budgets=(0.02, 1.0))


def test_a_score_is_between_doing_nothing_and_the_bound(validation: Validation) -> None:
    # episodes in which hardly anything can be saved do not count
    assert [workload.name for workload in validation.workloads] == ["scan", "ml_epochs"]
    assert abs(validation(OFF)) < 0.1
    for policy in (OFF, EAGER):
        scores = validation.scores(policy)
        assert [len(of_workload) for of_workload in scores] == [4, 4]
        assert all((-1.0 <= s).all() and (s <= 1.0).all() for s in scores)
        assert validation(policy) == pytest.approx(np.mean([s.mean() for s in scores]))
    assert validation(EAGER) != validation(OFF)


def test_it_can_be_sent_to_another_process(validation: Validation) -> None:
    assert pickle.loads(pickle.dumps(validation))(EAGER) == validation(EAGER)


def test_each_variant_is_a_figure(validation: Validation) -> None:
    variants = (
        Variant("base", lambda config: config),
        Variant("narrow", hyperparams(net_arch=[4])),
    )
    figures = ablation_figures(
        variants,
        base=tiny_config(),
        steps=32,
        seeds=(0, 1),
        validation=validation,
        run_all=last_first,
    )
    narrow, base = figures
    assert [base.name, narrow.name] == ["ablation.base.score", "ablation.narrow.score"]
    assert base.more["mean"] != narrow.more["mean"]
    for figure in (base, narrow):
        low, high = figure.more["low"], figure.more["high"]
        assert isinstance(low, float) and isinstance(high, float)
        assert low <= figure.value <= high
        assert (figure.more["runs"], figure.more["steps"]) == (2, 32)


def test_a_variant_of_other_knobs_is_judged_with_them(validation: Validation) -> None:
    variant = Variant("goals", groups("reclaim", "goals"))
    (figure,) = ablation_figures(
        [variant], base=tiny_config(), steps=32, seeds=(0,), validation=validation
    )
    assert np.isfinite(figure.value)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_but_the_base_changes_something(variant: Variant) -> None:
    base = TrainConfig()
    assert (variant.change(base) == base) == (variant.name == "base")


def test_variants_have_unlike_names_and_change_only_what_they_name() -> None:
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    base = TrainConfig()
    changed = weights(used=0.5)(base)
    assert changed.episodes.weights.used == 0.5
    undone = replace(changed, episodes=base.episodes)
    assert undone == base


def test_a_run_is_timed_and_its_curve_measured() -> None:
    steps, minutes = curve_figures(tiny_config(n_timesteps=256))
    assert (steps.name, minutes.name) == ("train.steps_to_90", "train.minutes")
    assert 0 < steps.value <= 256
    assert 0.0 < minutes.value < 1.0
