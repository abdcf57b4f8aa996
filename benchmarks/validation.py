"""One number for what a training run has made, on families that it may be tuned on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from damon_tuner.benchmarks.bootstrap import Floats
from damon_tuner.benchmarks.bounds import episode_bounds
from damon_tuner.benchmarks.normalised import is_scored, normalised_score
from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.envs.workload_file import Workload
from damon_tuner.policies.policy_file import Policy
from damon_tuner.training.evaluate import evaluate

VALIDATION_SEEDS = range(3_000_000, 3_000_008)
"""Episodes that nothing else is measured on: what is chosen by them has seen them."""
BUDGETS = (0.01, 0.02, 0.05)


@dataclass(frozen=True, slots=True)
class Validation:
    """Evaluation episodes with their bounds, (seeds, budgets) for each workload; picklable."""

    config: EpisodeConfig
    workloads: tuple[Workload, ...]
    seeds: tuple[int, ...]
    budgets: tuple[float, ...]
    bounds: tuple[Floats, ...]
    nr_threads: int

    def __call__(self, policy: Policy) -> float:
        """The mean normalised score; workloads weigh the same."""
        return float(np.mean([scores.mean() for scores in self.scores(policy)]))

    def scores(self, policy: Policy) -> list[Floats]:
        """Normalised scores of the episodes that count, (episodes,) for each workload."""
        network = policy.network()
        scores = []
        by_budget = [
            evaluate(
                {"": network},
                self.workloads,
                self.seeds,
                budget,
                config=self.config,
                nr_threads=self.nr_threads,
            )
            for budget in self.budgets
        ]
        shape = len(self.budgets), len(self.workloads), len(self.seeds)
        saving, slowdown = (
            np.reshape([[getattr(r, name) for r in results] for results in by_budget], shape)
            for name in ("saving", "slowdown")
        )
        for w, bounds in enumerate(self.bounds):
            of_all = normalised_score(
                saving[:, w].T, slowdown[:, w].T, bounds, np.array(self.budgets)
            )
            scores.append(of_all[is_scored(bounds)])
        return scores


def new_validation(
    config: EpisodeConfig,
    workloads: Sequence[Workload],
    *,
    seeds: Sequence[int] = VALIDATION_SEEDS,
    budgets: Sequence[float] = BUDGETS,
    nr_threads: int = 1,
    on_step: Callable[[], object] = lambda: None,
) -> Validation:
    """Find the bounds, which takes half a second an episode.

    The bounds are those of page-out (``reclaim``), so that policies of other knobs compare with
    it. A workload of which no episode counts is left out.
    """
    bounds = [
        episode_bounds(
            workload,
            seeds,
            ("reclaim",),
            budgets,
            config=config,
            nr_threads=nr_threads,
            on_step=on_step,
        )
        for workload in workloads
    ]
    kept = [w for w, of_workload in enumerate(bounds) if is_scored(of_workload).any()]
    return Validation(
        config=config,
        workloads=tuple(workloads[w] for w in kept),
        seeds=tuple(seeds),
        budgets=tuple(budgets),
        bounds=tuple(bounds[w] for w in kept),
        nr_threads=nr_threads,
    )
