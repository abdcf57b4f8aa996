"""Learned against static policies in the simulator, on what the learned one has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from damon_tuner.benchmarks.bootstrap import Summary, bootstrap
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.benchmarks.sets import HELD_OUT, TRAINING, WorkloadSets, evaluation_sets
from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.policies.policy_file import Policy
from damon_tuner.policies.rules import STATIC_POLICIES
from damon_tuner.training.evaluate import Contender, Result, evaluate
from damon_tuner.training.progress import progress_interval_s

LEARNED = "learned"
METRICS = ("saving", "resident_saving", "slowdown", "breaches")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every policy on the same episodes, by evaluation set."""

    budget: float
    sets: Mapping[str, Sequence[Result]]

    @property
    def results(self) -> list[Result]:
        """All episodes of all sets."""
        return [result for results in self.sets.values() for result in results]

    @property
    def policies(self) -> list[str]:
        """Names in the order in which they were run."""
        return list(dict.fromkeys(result.policy for result in self.results))


def run_score(
    policy: Policy | None,
    *,
    budget: float,
    seeds: int,
    sets: WorkloadSets | None = None,
    config: EpisodeConfig | None = None,
    nr_threads: int = 1,
) -> Comparison:
    """Run every policy on the same episodes, with a progress bar on standard error."""
    config, sets = config or EpisodeConfig(), sets or evaluation_sets([TRAINING, HELD_OUT])
    contenders: dict[str, Contender] = dict(STATIC_POLICIES)
    if policy is not None:
        contenders[LEARNED] = policy.network()
        config = replace(config, groups=policy.schema.groups)
    total = len(sets) * len(contenders) * config.episode_steps
    with tqdm(
        total=total, desc="comparing", unit="interval", mininterval=progress_interval_s()
    ) as bar:
        return Comparison(
            budget,
            {
                name: evaluate(
                    contenders,
                    workloads,
                    range(seeds),
                    budget,
                    config=config,
                    nr_threads=nr_threads,
                    on_step=bar.update,
                )
                for name, workloads in sets.items()
            },
        )


def summarise(results: Sequence[Result], metric: str) -> Summary:
    """Mean over workloads of the mean over seeds, with its interval."""
    return bootstrap(
        [
            np.array([getattr(r, metric) for r in results if r.workload == workload])
            for workload in sorted({r.workload for r in results})
        ]
    )


def score_figures(comparison: Comparison) -> list[Figure]:
    """``score.POLICY.METRIC`` for every evaluation set."""
    figures = []
    for set_name, rows in comparison.sets.items():
        about = {
            "set": set_name,
            "seeds": len({row.seed for row in rows}),
            "workloads": len({row.workload for row in rows}),
            "budget": comparison.budget,
        }
        for policy in comparison.policies:
            mine = [row for row in rows if row.policy == policy]
            for metric in METRICS:
                s = summarise(mine, metric)
                more = {"low": s.low, "high": s.high, **about}
                figures.append(Figure(f"score.{policy}.{metric}", s.value, "share", more))
    return figures


def print_table(comparison: Comparison, write: Callable[[str], None] = print) -> None:
    """One row a policy and set: means with 95 % intervals, in percent."""
    for set_name, rows in comparison.sets.items():
        names = ", ".join(dict.fromkeys(row.workload for row in rows))
        seeds = len({row.seed for row in rows})
        title = set_name.replace("_", " ")
        write(f"\n{title} ({names}); budget {comparison.budget:.1%}, {seeds} seeds")
        write(f"{'policy':14} {'memory cost saved':>22} {'slowdown':>22} {'breaches':>22}")
        for policy in comparison.policies:
            mine = [row for row in rows if row.policy == policy]
            cells = [_cell(summarise(mine, m)) for m in ("saving", "slowdown", "breaches")]
            write(f"{policy:14} " + " ".join(f"{cell:>22}" for cell in cells))


def _cell(s: Summary) -> str:
    return f"{s.value:6.1%} [{s.low:5.1%}, {s.high:5.1%}]"
