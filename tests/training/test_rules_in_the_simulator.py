"""Every rule runs on simulated hosts, on the same episodes as all others, and acts there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from damon_tuner.envs import EpisodeConfig
from damon_tuner.envs.profile_file import find_profile
from damon_tuner.envs.workload_file import Workload, bundled_workload
from damon_tuner.kernel_iface.host import Snapshot
from damon_tuner.kernel_iface.plan import carry_out
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import MONITORING, Policy
from damon_tuner.policies.rules import RULES, AdaptiveRule, FixedRule, Rule
from damon_tuner.policies.rules.page_out import PageOut
from damon_tuner.policies.rules.rule import decision_of
from damon_tuner.policies.rules.senpai import Senpai
from damon_tuner.training.evaluate import Result, evaluate

CONFIG = EpisodeConfig(episode_s=300.0)
BUDGET = 0.02


def run(rule: Rule, workload: Workload, nr_seeds: int = 2) -> list[Result]:
    return evaluate({"": rule}, [workload], range(nr_seeds), BUDGET, config=CONFIG, nr_threads=2)


def mean(results: list[Result], metric: str) -> float:
    return float(np.mean([getattr(result, metric) for result in results]))


@pytest.mark.parametrize("profile", ["nvme_swap", "cxl", "thp_always"])
@pytest.mark.parametrize("name", RULES)
def test_every_rule_runs_on_every_kind_of_host(name: str, profile: str) -> None:
    results = run(RULES[name], bundled_workload("phases").on(find_profile(profile)))
    assert all(np.isfinite([r.saving, r.slowdown, r.breaches]).all() for r in results)
    if RULES[name].groups and profile != "cxl":
        # one tier: there is nowhere to move anything
        assert all(r.saving == 0.0 for r in results)


@dataclass(frozen=True, slots=True)
class _AskedEachTime(AdaptiveRule):
    """A fixed rule in the clothes of an adaptive one."""

    rule: FixedRule

    def policy(self, budget: float) -> Policy:
        return self

    def decide(self, snapshot: Snapshot):  # type: ignore[no-untyped-def]
        return decision_of(self.rule.plan)


@pytest.mark.parametrize("name", ["pageout_5s", "goals_psi_consist", "hmsdk"])
def test_who_decides_the_same_each_time_does_as_who_decides_once(name: str) -> None:
    rule = RULES[name]
    assert isinstance(rule, FixedRule)
    if rule.groups:
        rule = PageOut(10.0)
    workload = bundled_workload("kv")
    assert run(_AskedEachTime(rule), workload) == run(rule, workload)


@pytest.mark.parametrize("name", ["senpai", "cold_age_percentile", "moving_averages"])
def test_an_adaptive_rule_repeats_and_sees_no_other_host(name: str) -> None:
    rule = RULES[name]
    alone = run(rule, bundled_workload("phases"), nr_seeds=1)
    assert run(rule, bundled_workload("phases"), nr_seeds=4)[:1] == alone


def test_adaptive_rules_save_where_memory_is_idle_and_cost_next_to_nothing() -> None:
    idle = bundled_workload("idle").on(find_profile("zram"))
    for name in ("cold_age_percentile", "moving_averages"):
        results = run(RULES[name], idle, nr_seeds=4)
        assert mean(results, "saving") > 0.01
        assert mean(results, "slowdown") < 0.2
    more, less = (run(Senpai(ratio=ratio), idle, nr_seeds=4) for ratio in (0.01, 0.001))
    assert mean(more, "saving") > mean(less, "saving") > 0.0


def test_moving_averages_spend_a_larger_budget_for_more_saving() -> None:
    savings = [
        mean(
            evaluate(
                {"": RULES["moving_averages"]},
                [bundled_workload("phases").on(find_profile("nvme_swap"))],
                range(6),
                budget,
                config=CONFIG,
                nr_threads=2,
            ),
            "saving",
        )
        for budget in (0.002, 0.2)
    ]
    assert savings[0] < savings[1]


@pytest.mark.parametrize(("name", "family"), [("tiering_goals", "growth"), ("hmsdk", "phases")])
def test_tiering_recipes_demote_and_promote(name: str, family: str) -> None:
    rule = RULES[name]
    # what the kernel of a very large host keeps free: with more, the recipe has nothing to demote
    workload = bundled_workload(family).on(find_profile("cxl"))
    spec = replace(workload, profile={**workload.profile, "low_wmark_permille": (0.5, 0.5)}).spec()
    moved = np.zeros(2)
    for seed in range(3):
        host = SimHost(spec, seed=seed, attrs=MONITORING, groups=rule.groups)
        host.start(())
        carry_out(host, rule.policy(BUDGET).decide(host.snapshot()).plan)
        host.advance(600.0)
        after = host.snapshot()
        moved += after.demoted_bytes, after.promoted_bytes
    assert (moved > 0).all()


@pytest.mark.parametrize(("mode", "is_huge_at_first"), [(1.0, False), (2.0, True)])
def test_what_huge_page_rules_ask_for_is_seen_in_memory(
    mode: float, is_huge_at_first: bool
) -> None:
    workload = bundled_workload("growth").on(find_profile("thp_always"))
    spec = replace(workload, profile={**workload.profile, "thp_mode": (mode, mode)}).spec()
    huge = {}
    for name in ("none", "huge_pages_always", "huge_pages_madvise", "huge_pages_by_access"):
        host = SimHost(spec, seed=1, attrs=MONITORING)
        host.start(())
        carry_out(host, RULES[name].policy(BUDGET).decide(host.snapshot()).plan)
        host.advance(300.0)
        huge[name] = host.snapshot().huge_bytes
    assert (huge["none"] > 0) == is_huge_at_first
    assert huge["huge_pages_madvise"] <= huge["none"]
    assert huge["huge_pages_always"] >= huge["huge_pages_by_access"] > huge["huge_pages_madvise"]
