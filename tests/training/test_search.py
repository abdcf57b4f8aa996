"""The search for a setting keeps to the budget, repeats, and finds what is there to find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from damon_tuner import _core
from damon_tuner.envs import EpisodeConfig
from damon_tuner.envs.profile_file import find_profile
from damon_tuner.envs.workload_file import Workload, bundled_workload
from damon_tuner.policies.rules import RULES, STATIC_POLICIES, Rule
from damon_tuner.policies.rules.page_out import PageOut
from damon_tuner.training.evaluate import Contender, FixedAction, Result, evaluate
from damon_tuner.training.parameter_search import Sampler
from damon_tuner.training.search import FixedSetting, RuleSetting, search_fixed, search_rule

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
    timid = FixedAction((-0.22, 0.025))
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


# ---- rules, samplers, steps, objectives ----


def search_page_out(rule: Rule = RULES["pageout_120s"], **more: Any) -> RuleSetting:
    about: dict[str, Any] = {"trials": 12, "seeds": SEEDS, "final_seeds": FINAL_SEEDS, **more}
    return search_rule(rule, CONFIG, [IDLE], budget=BUDGET, nr_threads=2, **about)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_rule_is_found_that_is_better_than_the_published_one(sampler: Sampler) -> None:
    found = search_page_out(sampler=sampler, trials=24)
    assert isinstance(found.rule, PageOut)
    assert 2.0 <= found.rule.idle_s < 120.0
    assert found.saving > mean(RULES["pageout_120s"], "saving")
    assert found.saving == pytest.approx(mean(found.contender, "saving"))
    assert found.slowdown <= BUDGET


def test_the_same_search_finds_the_same_rule_and_another_sampler_another() -> None:
    found = search_page_out(sampler="random")
    assert found == search_page_out(sampler="random") != search_page_out(sampler="tpe")


@pytest.mark.parametrize("name", RULES)
def test_the_settings_of_every_rule_can_be_searched(name: str) -> None:
    rule = RULES[name]
    config = replace(CONFIG, episode_s=30.0)
    on_cxl = bundled_workload("idle").on(find_profile("cxl"))
    about: dict[str, Any] = {"seeds": range(1), "final_seeds": range(2)}
    found = search_rule(rule, config, [on_cxl], budget=BUDGET, trials=3, **about)
    assert found.rule is None or type(found.rule) is type(rule)


def test_a_number_of_steps_is_kept_to_and_used() -> None:
    seen = []
    per_trial = len(SEEDS) * CONFIG.episode_steps
    final = 13 * len(FINAL_SEEDS) * CONFIG.episode_steps
    found = search_page_out(
        trials=None, steps=final + 5 * per_trial + 1, on_trial=lambda: seen.append(None)
    )
    assert len(seen) == 5
    assert 5 * per_trial < found.steps <= final + 5 * per_trial
    with pytest.raises(ValueError, match=f"give {final + per_trial} or more"):
        search_page_out(trials=None, steps=final)
    for both in ({"steps": 10**6}, {"trials": None}):
        with pytest.raises(ValueError, match="trials or steps"):
            search_page_out(**both)


def test_an_objective_of_the_callers_decides() -> None:
    def least_slowdown(results: Sequence[Result]) -> float:
        assert len({result.policy for result in results}) == 1
        return -max(result.slowdown for result in results)

    def most_saving(results: Sequence[Result]) -> float:
        return min(result.saving for result in results)

    careful, greedy = (
        search_page_out(objective=o, trials=5, sampler="random")
        for o in (least_slowdown, most_saving)
    )
    assert greedy.slowdown > careful.slowdown
    assert greedy.saving > careful.saving
    fixed = search_fixed(
        CONFIG,
        [IDLE],
        budget=BUDGET,
        trials=4,
        objective=most_saving,
        sampler="random",
        seeds=SEEDS,
        final_seeds=FINAL_SEEDS,
    )
    assert fixed.action is not None
    assert fixed.saving > 0.05
