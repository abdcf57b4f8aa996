"""What settings are searched for: the score that they are compared by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from damon_tuner.benchmarks.bootstrap import interquartile_mean
from damon_tuner.benchmarks.bounds import episode_bounds
from damon_tuner.benchmarks.normalised import is_scored, normalised_score
from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.envs.workload_file import Workload
from damon_tuner.training.evaluate import Result


@dataclass(frozen=True, slots=True)
class ScoreObjective:
    """The interquartile mean of the score; ``bounds`` by workload and seed."""

    bounds: Mapping[tuple[str, int], float]

    def __call__(self, results: Sequence[Result]) -> float:
        """Return the score of these episodes, 0 where none of them counts."""
        bound = np.array([self.bounds[result.workload, result.seed] for result in results])
        saving, slowdown, budget = (
            np.array([getattr(result, name) for result in results])
            for name in ("saving", "slowdown", "budget")
        )
        scores = normalised_score(saving, slowdown, bound, budget)[is_scored(bound)]
        return float(interquartile_mean([scores.reshape(1, -1)])[0]) if scores.size else 0.0


def score_objective(
    workloads: Sequence[Workload],
    seeds: Sequence[int],
    groups: Collection[str],
    budget: float,
    config: EpisodeConfig,
) -> ScoreObjective:
    """Find the bounds of the episodes that a search will look at."""
    return ScoreObjective(
        {
            (workload.name, seed): float(bound)
            for workload in workloads
            for seed, (bound,) in zip(
                seeds,
                episode_bounds(workload, seeds, groups, [budget], config=config),
                strict=True,
            )
        }
    )
