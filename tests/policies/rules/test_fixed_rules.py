"""Fixed rules are what their sources say."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from damon_tuner.kernel_iface.host import Action, FilterType, GoalMetric, GoalTuner
from damon_tuner.policies.rules import RULES, STATIC_POLICIES, FixedRule

from ..snapshots import MIB, snapshot

FIXED = {name: rule for name, rule in RULES.items() if isinstance(rule, FixedRule)}


@pytest.mark.parametrize("name", FIXED)
def test_fixed_rules_decide_the_same_whatever_is_seen(name: str) -> None:
    rule = FIXED[name]
    policy = rule.policy(0.02)
    for at_s, nr in ((0.0, 0), (5.0, 20)):
        assert policy.decide(snapshot(at_s, [(0, MIB, nr, 3)])).plan == rule.plan


def test_page_out_waits_for_its_idle_time() -> None:
    for name, age in (("pageout_5s", 50), ("pageout_30s", 300), ("pageout_120s", 1_200)):
        (scheme,) = FIXED[name].schemes
        assert scheme.action is Action.PAGEOUT
        assert (scheme.pattern.max_nr_accesses, scheme.pattern.min_age) == (0, age)


def test_the_kernel_tunes_by_pressure_once_a_second() -> None:
    for name, tuner in (
        ("goals_psi_consist", GoalTuner.CONSIST),
        ("goals_psi_temporal", GoalTuner.TEMPORAL),
    ):
        (scheme,) = FIXED[name].schemes
        assert scheme.quota.goal_tuner is tuner
        assert scheme.quota.reset_interval_ms == 1_000
        (goal,) = scheme.quota.goals
        assert (goal.metric, goal.target_value) == (GoalMetric.SOME_MEM_PSI_US, 500)


def test_the_tiering_recipe_has_goals_that_overlap_and_young_filters() -> None:
    plan = FIXED["tiering_goals"].plan
    assert plan.promote is not None and plan.demote is not None
    (used,), (free,) = plan.promote.quota.goals, plan.demote.quota.goals
    assert (used.metric, used.target_value) == (GoalMetric.NODE_MEM_USED_BP, 9_970)
    assert (free.metric, free.target_value) == (GoalMetric.NODE_MEM_FREE_BP, 50)
    assert used.target_value + free.target_value > 10_000
    for scheme, allow in ((plan.promote, True), (plan.demote, False)):
        (young,) = scheme.filters
        assert (young.type, young.matching, young.allow) == (FilterType.YOUNG, True, allow)
        assert scheme.quota.sz_bytes == 200 * MIB


def test_hmsdk_demotes_after_half_a_minute_and_only_moves_up_what_is_young() -> None:
    plan = FIXED["hmsdk"].plan
    assert plan.promote is not None and plan.demote is not None
    assert plan.demote.pattern.min_age == 300
    assert plan.promote.pattern.min_nr_accesses == 1
    assert (plan.demote.quota.time_ms, plan.promote.quota.time_ms) == (1_000, 2_000)


def test_what_the_daemon_falls_back_to_is_page_out_alone() -> None:
    assert list(STATIC_POLICIES)[:2] == ["none", "damon_reclaim"]
    for rule in STATIC_POLICIES.values():
        assert not rule.plan.is_for_the_host
        assert {scheme.action for scheme in rule.schemes} <= {Action.PAGEOUT}


@pytest.mark.parametrize("name", RULES)
def test_published_settings_are_within_what_a_search_looks_at(name: str) -> None:
    rule = RULES[name]
    names = {field.name for field in fields(rule)}  # type: ignore[arg-type]
    for parameter, span in rule.space.items():
        assert parameter in names
        assert span.low <= getattr(rule, parameter) <= span.high
        for end in (span.low, span.high):
            replace(rule, **{parameter: end}).policy(0.02).decide(  # type: ignore[type-var]
                snapshot(0.0, [(0, MIB, 0, 3)])
            )
