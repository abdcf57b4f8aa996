"""How often a policy sees what it was not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from damon_tuner.benchmarks.figure import Figure
from damon_tuner.benchmarks.sets import HELD_OUT, TRAINING, WorkloadSets, evaluation_sets
from damon_tuner.envs.batch import EpisodeConfig, SimBatch
from damon_tuner.envs.workload_file import Workload
from damon_tuner.policies.policy_file import Policy
from damon_tuner.training.envelope import answered
from damon_tuner.training.evaluate import begin_episodes


def outside_figures(
    policy: Policy,
    *,
    budget: float,
    seeds: int,
    sets: WorkloadSets | None = None,
    config: EpisodeConfig | None = None,
    nr_threads: int = 1,
) -> list[Figure]:
    """``policy.outside_share`` for every evaluation set, on the episodes of the score.

    It is the share of decisions with at least one feature outside the policy's envelope; which
    ones, and how often, is in ``features``.
    """
    config = replace(config or EpisodeConfig(), groups=policy.schema.groups)
    return [
        _figure(policy, name, workloads, seeds, budget, config, nr_threads)
        for name, workloads in (sets or evaluation_sets([TRAINING, HELD_OUT])).items()
    ]


def _figure(
    policy: Policy,
    name: str,
    workloads: Sequence[Workload],
    seeds: int,
    budget: float,
    config: EpisodeConfig,
    nr_threads: int,
) -> Figure:
    grid = [(w, seed) for w in range(len(workloads)) for seed in range(seeds)]
    batch = SimBatch(replace(config, workloads=tuple(workloads)), len(grid), nr_threads)
    decisions, outside = 0, 0
    features: Counter[str] = Counter()
    first = begin_episodes(batch, grid, budget)
    for observations in answered(policy.network(), batch, first):
        for observation in observations.tolist():
            names = policy.envelope.outside(observation)
            decisions += 1
            outside += bool(names)
            features.update(names)
    about = {
        "set": name,
        "decisions": decisions,
        "features": {feature: n / decisions for feature, n in features.most_common()},
        "budget": budget,
    }
    return Figure("policy.outside_share", outside / decisions, "share", about)
