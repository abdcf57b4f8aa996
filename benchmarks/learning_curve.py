"""How fast the shipped policy is learned: ``damon-tuner figures train``."""

from __future__ import annotations

import time
from dataclasses import replace

from damon_tuner.benchmarks.figure import Figure
from damon_tuner.policies.policy_file import Policy
from damon_tuner.training.config import TrainConfig
from damon_tuner.training.curve import steps_to_share
from damon_tuner.training.hyperparams_file import bundled_hyperparams
from damon_tuner.training.train import train


def learning_figures(policy: Policy, *, nr_threads: int) -> list[Figure]:
    """Train once more what ``policy`` was trained like, as far as steps and algorithm go."""
    about = policy.provenance
    hyperparams = bundled_hyperparams(str(about["algorithm"]).lower())
    config = TrainConfig(
        hyperparams=hyperparams.changed(n_timesteps=int(about["steps"])), nr_threads=nr_threads
    )
    config = replace(config, episodes=replace(config.episodes, groups=policy.schema.groups))
    return curve_figures(config)


def curve_figures(config: TrainConfig) -> list[Figure]:
    """``train.steps_to_90`` and ``train.minutes`` of one run."""
    started_s = time.monotonic()
    curve = train(config).curve
    minutes = (time.monotonic() - started_s) / 60.0
    hyperparams = config.hyperparams
    more = {"algorithm": hyperparams.algorithm, "steps": hyperparams.n_timesteps}
    rewards = {"first_reward": curve[0][1], "last_reward": curve[-1][1]}
    return [
        Figure("train.steps_to_90", steps_to_share(curve), "steps", {**more, **rewards}),
        Figure("train.minutes", minutes, "min", {**more, "threads": config.nr_threads}),
    ]
