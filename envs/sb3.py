"""Many simulated hosts as one native stable-baselines3 ``VecEnv``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from damon_tuner.envs.batch import EpisodeConfig, Observations, SimBatch
from damon_tuner.envs.spaces import action_space, observation_space

Indices = None | int | Iterable[int]


class TunerVecEnv(VecEnv):
    """``num_envs`` tenants stepped in one call, for agents of stable-baselines3."""

    def __init__(
        self, num_envs: int, config: EpisodeConfig | None = None, nr_threads: int = 1
    ) -> None:
        self.batch = SimBatch.with_rows(config or EpisodeConfig(), num_envs, nr_threads)
        self._actions: NDArray[np.float32] | None = None
        self._returns = np.zeros(num_envs)
        self._lengths = np.zeros(num_envs, dtype=np.int64)
        self.render_mode = None
        schema = self.batch.schema
        super().__init__(num_envs, observation_space(schema), action_space(schema))

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Determine everything from the next reset on."""
        self.batch.seed(seed)
        return [seed] * self.num_envs

    def reset(self) -> Observations:
        """Begin an episode on every host; the first ones end at different times."""
        self._returns[:] = 0.0
        self._lengths[:] = 0
        observations = self.batch.reset()
        self.batch.stagger()
        return observations

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Take the actions for the next step."""
        self._actions = actions

    def step_wait(
        self,
    ) -> tuple[Observations, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Run one control interval on every host."""
        result = self.batch.step(self._actions)
        self._returns += result.rewards
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        observations = result.observations
        for row in map(int, np.flatnonzero(result.done)):
            infos[row] = {
                "terminal_observation": observations[row].copy(),
                "TimeLimit.truncated": True,
                "episode": {"r": self._returns[row], "l": int(self._lengths[row])},
            }
        self._returns[result.done] = 0.0
        self._lengths[result.done] = 0
        self.batch.reset_ended(result.done, observations)
        return observations, result.rewards.astype(np.float32), result.done, infos

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """One value for all hosts, repeated."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Hosts have no attributes of their own."""
        raise NotImplementedError("the hosts of a batch share their attributes")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Hosts have no methods of their own."""
        raise NotImplementedError("the hosts of a batch have no methods of their own")

    def env_is_wrapped(self, wrapper_class: type, indices: Indices = None) -> list[bool]:
        """Nothing is wrapped."""
        return [False for _ in self._get_indices(indices)]
