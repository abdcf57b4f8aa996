"""What each choice of training is worth: ``damon-tuner figures ablations``.

A variant is a named change of the configuration. Each is trained with the same seeds for the same
number of control intervals, and judged on the families that are trained on, with other seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from damon_tuner.benchmarks.bootstrap import Floats, bootstrap, interquartile_mean, mean_of_strata
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.benchmarks.validation import Validation, new_validation
from damon_tuner.envs.reward import RewardWeights
from damon_tuner.policies.schema import DEFAULT_GROUPS
from damon_tuner.training.config import TrainConfig
from damon_tuner.training.hyperparams_file import bundled_hyperparams
from damon_tuner.training.progress import progress_interval_s
from damon_tuner.training.train import train, trained_policy
from damon_tuner.training.workers_local import run_here

STEPS = 200_000
TRAINING_SEEDS = (0, 1, 2)

Change = Callable[[TrainConfig], TrainConfig]

RunAll = Callable[
    [Callable[["Run"], list[Floats]], Sequence["Run"]], Iterator[tuple[int, list[Floats]]]
]
"""``workers.run_all``, with how many there are."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing that training does otherwise; ``change`` gets what it does by default."""

    name: str
    change: Change


def ablation_figures(
    variants: Sequence[Variant] | None = None,
    *,
    base: TrainConfig | None = None,
    steps: int = STEPS,
    seeds: Sequence[int] = TRAINING_SEEDS,
    validation: Validation | None = None,
    nr_threads: int = 1,
    run_all: RunAll = run_here,
) -> Iterator[Figure]:
    """``ablation.NAME.score`` of each variant, with its 95 % interval, as soon as it is known.

    The value is the interquartile mean of the normalised score over ``seeds`` and episodes;
    ``more`` has the mean as well, in which storms of faults count. All variants are trained for
    ``steps`` control intervals, whatever their hyper-parameters say.
    """
    base = replace(base or TrainConfig(), nr_threads=nr_threads)
    variants = VARIANTS if variants is None else variants
    validation = validation or new_validation(
        base.episodes, base.episodes.workloads, nr_threads=nr_threads
    )
    runs = [
        Run(replace(config, seed=seed), validation)
        for config in (_for_steps(variant.change(base), steps) for variant in variants)
        for seed in seeds
    ]
    done: dict[int, Sequence[Floats]] = {}
    with tqdm(
        total=len(runs), desc="ablations", unit="run", mininterval=progress_interval_s()
    ) as bar:
        for index, scores in run_all(scores_of_run, runs):
            done[index] = scores
            bar.update()
            which = index // len(seeds)
            of_variant = range(which * len(seeds), (which + 1) * len(seeds))
            if all(run in done for run in of_variant):
                yield _figure(variants[which].name, [done[run] for run in of_variant], steps)


@dataclass(frozen=True, slots=True)
class Run:
    """One training run, and how it is judged; picklable."""

    config: TrainConfig
    validation: Validation


def scores_of_run(run: Run) -> list[Floats]:
    """Train and judge: (episodes,) for each workload."""
    policy = trained_policy(train(run.config, quiet=True))
    return replace(run.validation, config=run.config.episodes).scores(policy)


def _for_steps(config: TrainConfig, steps: int) -> TrainConfig:
    return replace(config, hyperparams=config.hyperparams.changed(n_timesteps=steps))


def _figure(name: str, runs: Sequence[Sequence[Floats]], steps: int) -> Figure:
    strata = [np.stack(of_workload) for of_workload in zip(*runs, strict=True)]
    score, mean = bootstrap(strata, interquartile_mean), bootstrap(strata, mean_of_strata)
    more = {
        "low": score.low,
        "high": score.high,
        "mean": mean.value,
        "mean_low": mean.low,
        "mean_high": mean.high,
        "runs": len(runs),
        "steps": steps,
    }
    return Figure(f"ablation.{name}.score", score.value, "1", more)


def algorithm(name: str) -> Change:
    """Train by another algorithm, with its own hyper-parameters."""
    return lambda config: replace(config, hyperparams=bundled_hyperparams(name))


def hyperparams(**settings: object) -> Change:
    """Set hyper-parameters, whatever part of the file each is in."""
    return lambda config: replace(config, hyperparams=config.hyperparams.changed(**settings))


def groups(*names: str) -> Change:
    """Set and see other groups of knobs."""
    return lambda config: replace(config, episodes=replace(config.episodes, groups=names))


def weights(**settings: float) -> Change:
    """Reward otherwise."""

    def change(config: TrainConfig) -> TrainConfig:
        reward = replace(config.episodes.weights, **settings)
        return replace(config, episodes=replace(config.episodes, weights=reward))

    return change


def without(is_left_out: Callable[[str], bool]) -> Change:
    """Leave out the features of such names."""

    def change(config: TrainConfig) -> TrainConfig:
        names = config.episodes.schema.observation_names
        return replace(config, blind_to=tuple(name for name in names if is_left_out(name)))

    return change


VARIANTS: Sequence[Variant] = (
    Variant("base", lambda config: config),
    Variant("sac", algorithm("sac")),
    Variant("tqc", algorithm("tqc")),
    Variant("no_averages", without(lambda name: name.endswith(("_30s", "_300s")))),
    Variant("no_heat", without(lambda name: name.startswith(("idle_", "rare_", "warm_", "hot_")))),
    Variant("no_last_action", without(lambda name: name.startswith("last_"))),
    Variant("no_budget", without(lambda name: name == "budget_log")),
    Variant("attributes_seen", groups(*DEFAULT_GROUPS, "attributes")),
    Variant("goals_set", groups(*DEFAULT_GROUPS, "goals")),
    Variant("prediction_set", groups(*DEFAULT_GROUPS, "prediction")),
    Variant("budget_use_free", weights(used=0.0)),
    Variant("breaches_half_as_dear", weights(breach=RewardWeights().breach / 2)),
    # beside so large a number a root is a line, of a three-hundredth of its slope at usual savings
    Variant("saving_in_proportion", weights(even=1e4, used=7e-5, breach=4e-3, beyond=3e-4)),
    Variant("no_worked_share", without(lambda name: name == "worked_share_log")),
    Variant("exploring_more", hyperparams(log_std_init=-0.7)),
    Variant("absolute_quota", groups("reclaim")),
    Variant("no_returns", without(lambda name: name.startswith("return_"))),
    Variant("no_replicas", lambda config: replace(config, replicas=1)),
    Variant("raw_reward", hyperparams(norm_reward=False)),
    Variant("net_32", hyperparams(net_arch=[32, 32])),
    Variant("net_128", hyperparams(net_arch=[128, 128])),
    Variant("longer_sight", hyperparams(gamma=0.99)),
)
