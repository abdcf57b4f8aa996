"""Policies are compared on the same episodes, which no training run draws."""

import numpy as np

from damon_tuner.envs import EpisodeConfig
from damon_tuner.envs.workload_file import bundled_workload
from damon_tuner.policies.rules import STATIC_POLICIES
from damon_tuner.training.evaluate import Result, evaluate

CONFIG = EpisodeConfig(episode_s=300.0)


def _results(*names: str, threads: int = 2) -> list[Result]:
    contenders = {name: STATIC_POLICIES[name] for name in names}
    workloads = [bundled_workload("phases"), bundled_workload("idle")]
    return evaluate(contenders, workloads, range(4), 0.02, config=CONFIG, nr_threads=threads)


def test_no_management_neither_saves_nor_slows() -> None:
    for result in _results("none"):
        assert result.saving == 0.0
        assert result.breaches == 0.0
        # monitoring itself takes CPU time, but no more than DAMON is known for
        assert 0.0 <= result.slowdown < 0.05


def test_a_shorter_idle_time_saves_more_and_slows_more() -> None:
    results = _results("damon_reclaim", "pageout_30s", "pageout_5s")

    def mean(policy: str, metric: str) -> float:
        return float(np.mean([getattr(r, metric) for r in results if r.policy == policy]))

    for metric in ("saving", "resident_saving", "slowdown", "breaches"):
        assert mean("damon_reclaim", metric) <= mean("pageout_30s", metric)
        assert mean("pageout_30s", metric) < mean("pageout_5s", metric)


def test_results_repeat_and_do_not_depend_on_threads_or_company() -> None:
    alone = _results("pageout_30s", threads=1)
    together = [r for r in _results("none", "pageout_30s") if r.policy == "pageout_30s"]
    assert alone == together


def test_every_policy_meets_every_workload_and_seed_once() -> None:
    rows = [(r.policy, r.workload, r.seed) for r in _results("none", "pageout_30s")]
    assert len(rows) == len(set(rows)) == 2 * 2 * 4
