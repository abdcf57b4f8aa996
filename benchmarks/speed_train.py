"""How much of training's time the simulator leaves to learning."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damon_tuner.benchmarks.figure import Figure, repeated
from damon_tuner.envs.batch import Observations
from damon_tuner.envs.sb3 import TunerVecEnv
from damon_tuner.training.agent import new_agent
from damon_tuner.training.config import TrainConfig

_ROLLOUTS = 2


class IdleVecEnv(TunerVecEnv):
    """The environment without its simulator: it answers at once, and always the same."""

    def reset(self) -> Observations:
        """Begin nothing."""
        return self._same()[0]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """There is no chance."""
        return [seed] * self.num_envs

    def step_wait(
        self,
    ) -> tuple[Observations, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Do nothing."""
        return self._same()

    def _same(
        self,
    ) -> tuple[Observations, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        nr = self.num_envs
        shape = self.observation_space.shape
        assert shape is not None
        observations = np.zeros((nr, *shape), dtype=np.float32)
        rewards, done = np.zeros(nr, dtype=np.float32), np.zeros(nr, dtype=np.bool_)
        return observations, rewards, done, [{} for _ in range(nr)]


def train_figures(runs: int = 9) -> list[Figure]:
    """PPO's frames a second over those of the same PPO on an environment that does nothing."""
    config = TrainConfig()
    rates: dict[type[TunerVecEnv], list[float]] = {TunerVecEnv: [], IdleVecEnv: []}
    for _ in range(runs):
        for kind, of_kind in rates.items():
            of_kind.append(_frames_per_s(config, kind))
    simulated, idle = rates[TunerVecEnv], rates[IdleVecEnv]
    ratios = [a / b for a, b in zip(simulated, idle, strict=True)]
    return [
        repeated("train.fps_ratio", ratios, "1", fps=round(float(np.median(simulated)))),
    ]


def _frames_per_s(config: TrainConfig, kind: type[TunerVecEnv]) -> float:
    nr_hosts = config.hyperparams.n_envs
    agent, _ = new_agent(config, kind(nr_hosts, config.episodes, config.nr_threads))
    steps = _ROLLOUTS * nr_hosts * int(config.hyperparams.arguments["n_steps"])
    started = time.perf_counter()
    agent.learn(steps)
    return steps / (time.perf_counter() - started)
