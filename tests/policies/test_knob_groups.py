"""Knob groups: what a policy of some groups sees and sets, and what its plan asks for."""

from __future__ import annotations

import itertools
import math
from array import array
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    Action,
    FilterType,
    GoalMetric,
    GoalTuner,
    Region,
    SchemeStats,
    Snapshot,
)
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.plan_from_core import plan_from_core
from damon_tuner.policies.schema import RECLAIM, schema_of

from .test_decision_path import snapshot

GIB = 1 << 30
ALL = _core.KNOB_GROUPS
WITHOUT_KNOBS = {"attributes", "adaptive"}
WITH_KNOBS = tuple(name for name in ALL if name not in WITHOUT_KNOBS)
MACHINE: dict[str, int] = {
    "memory_total_bytes": 16 * GIB,
    "fast_total_bytes": 8 * GIB,
    "fast_free_bytes": GIB // 100,
    "offline_bytes": 2 * GIB,
    "offlinable_bytes": 4 * GIB,
}


def machine(**changed: int) -> Snapshot:
    return replace(snapshot(), **{**MACHINE, **changed})


def plan(
    groups: tuple[str, ...], action: dict[str, float] | None = None, seen: Snapshot | None = None
) -> tuple[Plan, dict[str, float]]:
    """What is planned for an action that is 0 but for the knobs named."""
    schema = schema_of(groups)
    decider = _core.Decider(0.02, groups=groups)
    decider.observe(seen or machine(), array("f", bytes(4 * schema.nr_features)))
    values = [(action or {}).get(name, 0.0) for name in schema.knob_names]
    made = plan_from_core(decider.act(array("f", values)))
    return made, decider.knobs()


def test_reclaim_alone_is_what_it_was() -> None:
    assert RECLAIM.knob_names == ("min_age_s", "quota_bytes_per_s")
    assert RECLAIM.nr_features == 33
    made, _ = plan(("reclaim",))
    assert [scheme.action for scheme in made.schemes] == [Action.PAGEOUT]
    assert not made.is_for_the_host


@given(st.sets(st.sampled_from(ALL)))
def test_a_group_brings_its_knobs_and_features_and_leaves_the_others(groups: set[str]) -> None:
    if not groups - WITHOUT_KNOBS:
        with pytest.raises(ValueError, match="at least one with knobs"):
            schema_of(groups)
        return
    schema = schema_of(groups)
    everything = schema_of(ALL)
    for names, all_names in (
        (schema.observation_names, everything.observation_names),
        (schema.knob_names, everything.knob_names),
    ):
        assert list(names) == [name for name in all_names if name in names]
    assert schema.observation_names[:33] == RECLAIM.observation_names
    own = {name for name in schema.observation_names if name.startswith("last_")}
    assert len(own - {"last_min_age", "last_quota"}) + 2 * ("reclaim" in groups) == schema.nr_knobs


def test_every_set_of_groups_has_a_hash_of_its_own() -> None:
    sets = [
        set(chosen)
        for size in range(1, len(WITH_KNOBS) + 1)
        for chosen in itertools.combinations(WITH_KNOBS, size)
    ]
    assert len({schema_of(groups).hash for groups in sets}) == len(sets)
    assert schema_of(("thp", "reclaim")) is schema_of(("reclaim", "thp"))


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(ValueError, match="'tiers' is no knob group"):
        schema_of(("tiers",))


@given(
    st.lists(st.floats(-1.0, 1.0, width=32), min_size=64, max_size=64),
    st.sets(st.sampled_from(WITH_KNOBS), min_size=1),
)
def test_knobs_keep_to_their_scales_and_come_back_as_features(
    values: list[float], groups: set[str]
) -> None:
    schema = schema_of(groups)
    decider = _core.Decider(0.02, groups=groups)
    observation = array("f", bytes(4 * schema.nr_features))
    decider.observe(machine(), observation)
    action = array("f", values[: schema.nr_knobs])
    decider.act(action)
    decider.observe(machine(time_us=2 * 10**9), observation)
    seen = dict(zip(schema.observation_names, observation, strict=True))
    assert all(math.isfinite(value) and abs(value) <= 1.0 for value in seen.values())
    asked = dict(zip(schema.knob_names, action, strict=True))
    for knob, wanted in asked.items():
        # a share of all is all on the upper half of its scale
        value = min(wanted, 0.0) if knob in ("fast_weight_share", "clock_cap") else wanted
        feature = f"last_{_short(knob)}"
        # the guard bounds how fast the minimum age of page-out falls
        if knob != "min_age_s":
            assert seen[feature] == pytest.approx(value, abs=1e-5), feature


def _short(knob: str) -> str:
    for suffix in ("_bytes_per_s", "_us_per_s", "_share", "_horizon_s", "_s"):
        if knob.endswith(suffix):
            return knob.removesuffix(suffix)
    return knob


def test_goals_tune_quotas_and_keep_them_as_caps() -> None:
    direct, knobs = plan(("reclaim", "tiering"))
    by_goals, _ = plan(("reclaim", "tiering", "goals"))
    (goal,) = by_goals.schemes[0].quota.goals
    assert goal.metric is GoalMetric.SOME_MEM_PSI_US
    assert goal.target_value == pytest.approx(1_000, abs=1)
    assert replace(by_goals.schemes[0].quota, goals=()) == direct.schemes[0].quota
    assert by_goals.schemes[0].quota.goal_tuner is GoalTuner.CONSIST
    assert by_goals.demote is not None
    assert by_goals.promote is not None
    (free,) = by_goals.demote.quota.goals
    (used,) = by_goals.promote.quota.goals
    assert (free.metric, used.metric) == (
        GoalMetric.NODE_MEM_FREE_BP,
        GoalMetric.NODE_MEM_USED_BP,
    )
    # the steady tuner starts from nothing and hardly moves where its goal is all but met
    assert by_goals.demote.quota.goal_tuner is by_goals.promote.quota.goal_tuner
    assert by_goals.promote.quota.goal_tuner is GoalTuner.TEMPORAL
    # they overlap, so that hot and cold pages change places
    assert 0 < 10_000 - used.target_value < free.target_value
    assert free.target_value == pytest.approx(1e4 * knobs["fast_free_share"], abs=1)


def test_tiers_are_set_by_temperature_and_youth() -> None:
    made, knobs = plan(("tiering",))
    assert made.demote is not None
    assert made.promote is not None
    assert made.schemes == ()
    assert made.demote.action is Action.MIGRATE_COLD
    assert made.demote.pattern.max_nr_accesses == 0
    assert made.demote.pattern.min_age == math.ceil(knobs["demote_min_age_s"] * 10)
    assert made.promote.action is Action.MIGRATE_HOT
    assert made.promote.pattern.min_nr_accesses == math.ceil(
        knobs["promote_min_samples_share"] * 20
    )
    young = [(f.type, f.matching, f.allow) for f in (*made.demote.filters, *made.promote.filters)]
    assert young == [(FilterType.YOUNG, False, True), (FilterType.YOUNG, True, True)]


def test_without_goals_demotion_rests_while_enough_is_free() -> None:
    busy, knobs = plan(("tiering",))
    resting, _ = plan(("tiering",), seen=machine(fast_free_bytes=8 * GIB))
    assert busy.demote is not None
    assert resting.demote is not None
    assert busy.demote.quota.sz_bytes == int(knobs["demote_quota_bytes_per_s"])
    assert resting.demote.quota.sz_bytes == 4096


def test_a_host_with_one_tier_is_not_tiered() -> None:
    made, _ = plan(("tiering",), seen=machine(fast_total_bytes=0))
    assert made == Plan()


def test_hot_pages_are_spread_by_weight_instead_of_promoted() -> None:
    made, knobs = plan(("tiering",), {"fast_weight_share": -1.0})
    assert made.promote is None
    (spread,) = made.schemes
    fast, slow = spread.dests
    assert (fast.nid, slow.nid) == (0, 1)
    assert fast.weight == pytest.approx(1_000 * knobs["fast_weight_share"], abs=1)
    assert fast.weight + slow.weight == 1_000
    all_fast, _ = plan(("tiering",), {"fast_weight_share": 0.5})
    assert all_fast.promote is not None


def test_huge_pages_are_for_hot_memory_and_split_when_cold() -> None:
    made, knobs = plan(("thp",))
    actions = [scheme.action for scheme in made.schemes]
    assert actions == [Action.HUGEPAGE, Action.COLLAPSE, Action.NOHUGEPAGE, Action.PAGEOUT]
    hot, (lukewarm, cold) = made.schemes[:2], made.schemes[2:]
    for scheme in hot:
        assert scheme.pattern.min_nr_accesses == math.ceil(20 * knobs["huge_min_samples_share"])
        assert scheme.pattern.min_sz_bytes == 2 << 20
    assert cold.pattern.max_nr_accesses == 0
    assert cold.pattern.min_age == math.ceil(knobs["split_min_age_s"] * 10)
    # in use, but four times too rarely
    assert 1 == lukewarm.pattern.min_nr_accesses <= lukewarm.pattern.max_nr_accesses
    assert 4 * lukewarm.pattern.max_nr_accesses <= hot[0].pattern.min_nr_accesses + 3


@given(st.floats(-1.0, 1.0, width=32))
def test_no_two_schemes_of_huge_pages_are_for_the_same_regions(threshold: float) -> None:
    made, _ = plan(("thp",), {"huge_min_samples_share": threshold})
    patterns = {s.action: s.pattern for s in made.schemes if s.action is not Action.COLLAPSE}
    ranges = sorted((p.min_nr_accesses, p.max_nr_accesses) for p in patterns.values())
    assert all(low <= high for low, high in ranges)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))


def test_power_keeps_a_share_of_all_memory_spare() -> None:
    made, knobs = plan(("power",))
    assert made.spare_bytes == int(knobs["spare_share"] * 18 * GIB)
    assert made.clock_cap == pytest.approx(knobs["clock_cap"])
    assert made.schemes == ()


def test_all_groups_fit_into_one_plan() -> None:
    made, _ = plan(ALL, {"fast_weight_share": -1.0})
    assert made.schemes[0].action is Action.PAGEOUT
    assert made.is_for_the_host


@pytest.mark.parametrize("group", WITH_KNOBS)
def test_what_is_no_number_sets_what_does_least(group: str) -> None:
    groups = tuple({"reclaim", group})
    schema = schema_of(groups)
    made, knobs = plan(groups, dict.fromkeys(schema.knob_names, math.nan))
    assert made.schemes[0].quota.sz_bytes == 4096
    if made.demote is not None:
        assert made.demote.quota.sz_bytes == 4096
    assert knobs.get("spare_share", 1.0) == knobs.get("clock_cap", 1.0) == 1.0
    assert knobs.get("split_min_age_s", 3600.0) == 3600.0


def test_while_the_guard_holds_nothing_costs_speed() -> None:
    schema = schema_of(ALL)
    decider = _core.Decider(0.02, groups=ALL)
    observation = array("f", bytes(4 * schema.nr_features))
    decider.observe(machine(), observation)
    decider.observe(machine(time_us=2 * 10**9), observation, tripped=("score",))
    made = plan_from_core(decider.act(array("f", [-0.5] * schema.nr_knobs)))
    assert "hold" in decider.reasons()
    assert made.demote is not None
    assert made.demote.quota.sz_bytes == 4096
    assert made.spare_bytes == 18 * GIB
    assert made.clock_cap == 1.0
    assert {s.quota.sz_bytes for s in made.schemes if s.action is not Action.WILLNEED} == {4096}


def test_what_the_first_scheme_tried_is_page_out_only_with_reclaim() -> None:
    seen = {}
    for groups in (("reclaim", "thp"), ("thp",)):
        schema = schema_of(groups)
        decider = _core.Decider(0.02, groups=groups)
        observation = array("f", bytes(4 * schema.nr_features))
        decider.observe(machine(), observation)
        later = replace(
            machine(time_us=2 * 10**9),
            scheme_stats=(SchemeStats(sz_tried_bytes=GIB),),
            regions=(Region(0, 4096, 0, 5),),
        )
        decider.observe(later, observation)
        seen[groups] = observation[schema.observation_names.index("tried_rate_log")]
    assert seen["reclaim", "thp"] > seen[("thp",)] == -1.0


@given(st.sampled_from(schema_of(WITH_KNOBS).knob_names), st.floats(-1.0, 1.0))
def test_an_action_of_a_value_sets_that_value(knob: str, wanted: float) -> None:
    size = GIB if knob.endswith("_bytes_per_s") else 1
    _, knobs = plan(tuple(WITH_KNOBS), {"min_age_s": 1.0} | {knob: wanted})
    value = knobs[knob] / size
    again = plan(tuple(WITH_KNOBS), {"min_age_s": 1.0} | {knob: _core.action_of(knob, value)})
    assert again[1][knob] == pytest.approx(knobs[knob], rel=1e-5)


def test_only_knobs_have_an_action() -> None:
    with pytest.raises(ValueError, match="no knob is called min_age"):
        _core.action_of("min_age", 5.0)
