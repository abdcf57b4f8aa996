"""Train a policy."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import sb3_contrib
import stable_baselines3
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from tqdm import tqdm

import damon_tuner
from damon_tuner.envs.sb3 import TunerVecEnv
from damon_tuner.policies.decision import monitoring
from damon_tuner.policies.envelope import everything
from damon_tuner.policies.policy_file import Policy
from damon_tuner.training.agent import new_agent
from damon_tuner.training.algorithms import ON_POLICY, Agent
from damon_tuner.training.blinkers import Blinkers, blinded
from damon_tuner.training.config import TrainConfig
from damon_tuner.training.export import policy_from_sb3
from damon_tuner.training.progress import progress_interval_s
from damon_tuner.training.replicas import AgainstReplicas

# Into how many means the rewards of a run are gathered.
_CURVE_POINTS = 100


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained agent with the normaliser that belongs to it, and how its reward went.

    ``curve`` holds (control intervals so far, mean reward of a control interval).
    """

    agent: Agent
    env: VecNormalize
    config: TrainConfig
    curve: tuple[tuple[int, float], ...]


class _Progress(BaseCallback):
    """A progress bar that shows the mean reward of a control interval."""

    def __init__(self, compared: AgainstReplicas, total_steps: int, quiet: bool) -> None:
        super().__init__()
        self._compared = compared
        self.curve: list[tuple[int, float]] = []
        self._bar: Any = tqdm(
            total=total_steps,
            desc="training",
            unit="step",
            unit_scale=True,
            disable=quiet,
            mininterval=progress_interval_s(),
        )
        self._window = total_steps / _CURVE_POINTS
        self._sum = 0.0
        self._count = 0

    def _on_step(self) -> bool:
        rewards = self._compared.rewards
        self._sum += float(np.sum(rewards))
        self._count += len(rewards)
        if self._count >= self._window:
            self._end_window()
        return True

    def _end_window(self) -> None:
        mean = self._sum / self._count
        self.curve.append((self.num_timesteps, mean))
        self._bar.set_postfix(reward=f"{mean:+.3f}", refresh=False)
        self._bar.update(self.num_timesteps - self._bar.n)
        self._sum, self._count = 0.0, 0

    def _on_training_end(self) -> None:
        if self._count:
            self._end_window()
        self._bar.close()


def train(config: TrainConfig, *, quiet: bool = False) -> Trained:
    """Train from nothing; the same ``config`` gives the same weights, bit for bit."""
    hyperparams = config.hyperparams
    replicas = config.replicas if hyperparams.algorithm in ON_POLICY else 1
    episodes = replace(config.episodes, replicas=replicas)
    compared = AgainstReplicas(
        TunerVecEnv(hyperparams.n_envs, episodes, config.nr_threads), episodes
    )
    hosts: VecEnv = compared
    if config.blind_to:
        hosts = Blinkers(hosts, episodes.schema, config.blind_to)
    agent, env = new_agent(config, hosts)
    progress = _Progress(compared, hyperparams.n_timesteps, quiet)
    agent.learn(hyperparams.n_timesteps, callback=progress)
    return Trained(agent, env, config, tuple(progress.curve))


def trained_policy(trained: Trained) -> Policy:
    """What was learned, without where it comes from and what it was trained on."""
    config = trained.config
    policy = policy_from_sb3(trained.agent, trained.env, {}, everything(config.episodes.schema))
    return blinded(policy, config.blind_to)


def provenance(trained: Trained) -> dict[str, Any]:
    """Everything that is needed to train the same policy again, as JSON has it."""
    config = trained.config
    about = {
        "damon_tuner": damon_tuner.__version__,
        "stable_baselines3": stable_baselines3.__version__,
        "sb3_contrib": sb3_contrib.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "algorithm": config.hyperparams.algorithm.upper(),
        "steps": trained.agent.num_timesteps,
        "workloads": [workload.name for workload in config.episodes.workloads],
        "monitoring": monitoring(),
        "config": asdict(config),
        "reward": trained.curve[-1][1] if trained.curve else None,
    }
    plain: dict[str, Any] = json.loads(json.dumps(about, default=_digest))
    return plain


def _digest(value: object) -> dict[str, object]:
    """By what a recording that was trained on is known again, without a copy of it."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{type(value).__name__} has no form in JSON")
    return {"shape": value.shape, "sha256": hashlib.sha256(value.tobytes()).hexdigest()}
