"""Agents that do not see some of the features: what each is worth is learned by leaving it out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from damon_tuner.envs.batch import Observations
from damon_tuner.policies.policy_file import Policy, Tensor
from damon_tuner.policies.schema import Schema


class Blinkers(VecEnvWrapper):
    """An environment whose features ``blind_to``, names of ``schema``, are always 0."""

    def __init__(self, venv: VecEnv, schema: Schema, blind_to: Collection[str]) -> None:
        super().__init__(venv)
        self._columns = _columns(schema, blind_to)

    def reset(self) -> Observations:
        """Begin an episode on every host."""
        observations = self.venv.reset()
        assert isinstance(observations, np.ndarray)
        return self._blinded(observations)

    def step_wait(self) -> VecEnvStepReturn:
        """Run one control interval on every host."""
        observations, rewards, done, infos = self.venv.step_wait()
        for info in infos:
            if "terminal_observation" in info:
                info["terminal_observation"][self._columns] = 0.0
        assert isinstance(observations, np.ndarray)
        return self._blinded(observations), rewards, done, infos

    def _blinded(self, observations: Observations) -> Observations:
        observations[:, self._columns] = 0.0
        return observations


def blinded(policy: Policy, blind_to: Collection[str]) -> Policy:
    """The policy as it was trained behind ``Blinkers``: these features change nothing."""
    columns = _columns(policy.schema, blind_to)

    def without(tensor: Tensor) -> Tensor:
        values = np.frombuffer(tensor.data, dtype="<f4").copy()
        values[columns] = 0.0
        return Tensor(tensor.shape, values.tobytes())

    return replace(policy, mean=without(policy.mean), scale=without(policy.scale))


def _columns(schema: Schema, names: Collection[str]) -> list[int]:
    return [schema.observation_names.index(name) for name in names]
