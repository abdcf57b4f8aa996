"""The search for a fixed setting keeps to the budget, repeats, and finds what is there to find."""

from __future__ import annotations

from dataclasses import replace

import pytest

from damon_tuner import _core
from damon_tuner.envs import EpisodeConfig
from damon_tuner.envs.profile_file import find_profile
from damon_tuner.envs.workload_file import Workload, bundled_workload
from damon_tuner.policies.rules import STATIC_POLICIES
from damon_tuner.training.evaluate import Contender, FixedAction, evaluate
from damon_tuner.training.search import FixedSetting, search_fixed

CONFIG = EpisodeConfig(episode_s=300.0)
IDLE = bundled_workload("idle").on(find_profile("nvme_swap"))
SEEDS, FINAL_SEEDS = range(100, 104), range(200, 206)
BUDGET = 0.1


def search(
    workload: Workload = IDLE, config: EpisodeConfig = CONFIG, trials: int = 16, seed: int = 0
) -> FixedSetting:
    return search_fixed(
        config,
        [workload],
        budget=BUDGET,
        trials=trials,
        seeds=SEEDS,
        final_seeds=FINAL_SEEDS,
        seed=seed,
        nr_threads=2,
    )


def mean(contender: Contender, metric: str, config: EpisodeConfig = CONFIG) -> float:
    results = evaluate({"": contender}, [IDLE], FINAL_SEEDS, BUDGET, config=config, nr_threads=2)
    return sum(getattr(result, metric) for result in results) / len(results)


def test_it_finds_a_setting_that_saves_within_the_budget() -> None:
    found = search()
    assert found.action is not None
    assert found.slowdown <= BUDGET
    # what it says is what an evaluation of the setting on those episodes says
    assert found.saving == pytest.approx(mean(found.contender, "saving"))
    assert found.slowdown == pytest.approx(mean(found.contender, "slowdown"))
    # a setting that anybody would dare
    timid = FixedAction((0.0, -0.3))
    assert mean(timid, "slowdown") <= BUDGET
    assert found.saving > mean(timid, "saving") > 0.05


def test_the_same_arguments_find_the_same_setting_and_others_others() -> None:
    assert search() == search()
    assert search(seed=1) != search()


def test_a_profile_may_be_given_beside_the_workloads() -> None:
    given = search_fixed(
        CONFIG,
        [bundled_workload("idle")],
        budget=BUDGET,
        trials=4,
        profile=find_profile("nvme_swap"),
        seeds=SEEDS,
        final_seeds=FINAL_SEEDS,
    )
    assert given == search(trials=4)


def test_off_is_what_remains_where_every_setting_is_over_the_budget() -> None:
    # nothing is ever idle for long, and a fault takes a second
    busy = replace(
        IDLE,
        workload={"background_rate_hz": (0.05, 0.05), "kept_share": (0.9, 0.9)},
        profile={**IDLE.profile, "swap_in_us": (1e6, 1e6)},
    )
    found = search_fixed(
        CONFIG,
        [busy],
        budget=1e-9,
        trials=4,
        seeds=SEEDS,
        final_seeds=FINAL_SEEDS,
    )
    assert found.action is None
    assert found.contender is STATIC_POLICIES["none"]
    assert found.saving == 0.0


def test_every_group_of_knobs_can_be_searched() -> None:
    for groups in (("tiering",), ("reclaim", "goals"), ("reclaim", "power")):
        found = search(config=replace(CONFIG, groups=groups), trials=3)
        assert found.action is None or len(found.action) == len(_core.knob_names(groups))


def test_a_start_is_tried_first() -> None:
    config, start = CONFIG, (-0.5, 0.25)
    seen = []

    def count() -> None:
        seen.append(None)

    found = search_fixed(
        config,
        [IDLE],
        budget=1.0,
        trials=2,
        seeds=SEEDS,
        final_seeds=FINAL_SEEDS,
        starts=[start],
        on_trial=count,
    )
    assert len(seen) == 2
    assert found.action == pytest.approx(start)


def test_the_careful_action_does_next_to_nothing() -> None:
    for groups in (("reclaim",), ("reclaim", "thp", "power", "goals")):
        careful = FixedAction(_core.careful_action(groups))
        config = replace(CONFIG, groups=groups)
        off = mean(STATIC_POLICIES["none"], "slowdown", config)
        assert mean(careful, "saving", config) < 0.03
        assert mean(careful, "slowdown", config) < off + 0.001
