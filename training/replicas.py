"""Rewards against what the same episode brings others: most of the noise is the episode's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from damon_tuner.envs.batch import EpisodeConfig


class AgainstReplicas(VecEnvWrapper):
    """Rewards less the mean of the replicas at that moment, where ``episodes`` have any.

    Which host and load were drawn changes a reward far more than what a policy does there. Hosts
    that run the same episode share that part (common random numbers): less their mean, what is
    left is what was done otherwise. Nothing that one replica does changes another, so that the
    gradient keeps its direction. ``rewards``, shape (rows,), are the last ones as they were.
    """

    def __init__(self, venv: VecEnv, episodes: EpisodeConfig) -> None:
        super().__init__(venv)
        self._replicas, self._tenants = episodes.replicas, episodes.tenants
        if venv.num_envs % (self._replicas * self._tenants):
            raise ValueError(
                f"{venv.num_envs} environments are not hosts with {self._replicas} replicas of "
                f"{self._tenants} tenants each"
            )
        self.rewards: NDArray[np.float32] = np.zeros(venv.num_envs, dtype=np.float32)

    def reset(self) -> VecEnvObs:
        """Begin an episode on every host."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Run one control interval on every host."""
        observations, self.rewards, done, infos = self.venv.step_wait()
        if self._replicas == 1:
            return observations, self.rewards, done, infos
        of_episode = self.rewards.reshape(-1, self._replicas, self._tenants)
        compared = (of_episode - of_episode.mean(axis=1, keepdims=True)).reshape(-1)
        return observations, compared, done, infos
