"""Learned against static policies in the simulator, on what the learned one has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from damon_tuner import _core
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.envs.workload_file import (
    HELD_OUT_FAMILIES,
    TRAINING_FAMILIES,
    Workload,
    bundled_workload,
)
from damon_tuner.policies.static import STATIC_POLICIES
from damon_tuner.training.evaluate import Contender, Result, evaluate
from damon_tuner.training.progress import progress_interval_s

LEARNED = "learned"
METRICS = ("saving", "resident_saving", "slowdown", "breaches")
SETS: Mapping[str, tuple[str, ...]] = {
    "held_out_seeds": TRAINING_FAMILIES,
    "held_out_family": HELD_OUT_FAMILIES,
}
DEFAULT_BUDGET = 0.02
DEFAULT_SEEDS = 12
_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Summary:
    """Mean of a metric with the 95 % interval of a bootstrap stratified by workload."""

    mean: float
    low: float
    high: float


def run_score(
    network: _core.Network | None,
    *,
    budget: float = DEFAULT_BUDGET,
    seeds: int = DEFAULT_SEEDS,
    workloads: Sequence[Workload] | None = None,
    config: EpisodeConfig | None = None,
    nr_threads: int = 1,
) -> list[Result]:
    """Run every policy on the same episodes, with a progress bar on standard error."""
    config = config or EpisodeConfig()
    if workloads is None:
        names = [name for families in SETS.values() for name in families]
        workloads = [bundled_workload(name) for name in names]
    contenders: dict[str, Contender] = dict(STATIC_POLICIES)
    if network is not None:
        contenders[LEARNED] = network
    total = len(contenders) * config.episode_steps
    with tqdm(
        total=total, desc="comparing", unit="interval", mininterval=progress_interval_s()
    ) as bar:
        return evaluate(
            contenders,
            workloads,
            range(seeds),
            budget,
            config=config,
            nr_threads=nr_threads,
            on_step=lambda: bar.update() and None,
        )


def summarise(results: Sequence[Result], metric: str) -> Summary:
    """Mean over workloads of the mean over seeds, with its interval."""
    strata = [
        np.array([getattr(r, metric) for r in results if r.workload == workload])
        for workload in sorted({r.workload for r in results})
    ]
    rng = np.random.default_rng(0)
    means = np.mean(
        [
            values[rng.integers(len(values), size=(_RESAMPLES, len(values)))].mean(axis=1)
            for values in strata
        ],
        axis=0,
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return Summary(float(np.mean([v.mean() for v in strata])), float(low), float(high))


def policies_of(results: Sequence[Result]) -> list[str]:
    """Names in the order in which they were run."""
    return list(dict.fromkeys(result.policy for result in results))


def sets_of(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The results by evaluation set; workloads that belong to none are a set of their own."""
    known = {name: set_name for set_name, names in SETS.items() for name in names}
    sets: dict[str, list[Result]] = {}
    for result in results:
        sets.setdefault(known.get(result.workload, result.workload), []).append(result)
    return sets


def score_figures(results: Sequence[Result]) -> list[Figure]:
    """``score.POLICY.METRIC`` for every evaluation set."""
    figures = []
    for set_name, rows in sets_of(results).items():
        for policy in policies_of(results):
            mine = [row for row in rows if row.policy == policy]
            for metric in METRICS:
                s = summarise(mine, metric)
                more = {
                    "set": set_name,
                    "low": s.low,
                    "high": s.high,
                    "seeds": len({row.seed for row in mine}),
                    "workloads": len({row.workload for row in mine}),
                    "budget": mine[0].budget,
                }
                figures.append(Figure(f"score.{policy}.{metric}", s.mean, "share", more))
    return figures


def print_table(results: Sequence[Result], write: Callable[[str], None] = print) -> None:
    """One row a policy and set: means with 95 % intervals, in percent."""
    for set_name, rows in sets_of(results).items():
        names = ", ".join(sorted({row.workload for row in rows}))
        budget, seeds = rows[0].budget, len({row.seed for row in rows})
        write(f"\n{set_name.replace('_', ' ')} ({names}); budget {budget:.1%}, {seeds} seeds")
        write(f"{'policy':14} {'memory cost saved':>22} {'slowdown':>22} {'breaches':>22}")
        for policy in policies_of(results):
            mine = [row for row in rows if row.policy == policy]
            cells = [_cell(summarise(mine, m)) for m in ("saving", "slowdown", "breaches")]
            write(f"{policy:14} " + " ".join(f"{cell:>22}" for cell in cells))


def _cell(s: Summary) -> str:
    return f"{s.mean:6.1%} [{s.low:5.1%}, {s.high:5.1%}]"
