"""Many simulated hosts as one native Gymnasium vector environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from damon_tuner.envs.batch import EpisodeConfig, Observations, SimBatch
from damon_tuner.envs.spaces import action_space, observation_space


class TunerVectorEnv(VectorEnv[Observations, NDArray[np.float32], NDArray[Any]]):
    """``num_envs`` hosts stepped in one call; a host that ends starts again in the same step.

    ``infos`` holds arrays of shape (hosts,): ``saving``, ``slowdown``, ``budget``; where episodes
    ended, ``final_obs`` and the mask ``_final_obs``, as Gymnasium has it for this autoreset mode.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self, num_envs: int = 1, config: EpisodeConfig | None = None, nr_threads: int = 1
    ) -> None:
        self.batch = SimBatch.with_rows(config or EpisodeConfig(), num_envs, nr_threads)
        self.num_envs = num_envs
        self.single_observation_space = observation_space(self.batch.schema)
        self.single_action_space = action_space(self.batch.schema)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.render_mode = None

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode on every host; one ``seed`` determines all of them."""
        if isinstance(seed, list):
            raise ValueError("give one seed for all hosts, not a list: it determines each of them")
        if seed is not None:
            self.batch.seed(seed)
        return self.batch.reset(), {"budget": self.batch.budget.copy()}

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[Observations, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Run one control interval on every host."""
        result = self.batch.step(actions)
        infos: dict[str, Any] = {
            "saving": result.outcome.saving,
            "slowdown": result.outcome.slowdown,
            "budget": self.batch.budget.copy(),
        }
        observations = result.observations
        if result.done.any():
            observations = observations.copy()
            final = np.full(self.num_envs, None, dtype=object)
            for row in np.flatnonzero(result.done):
                final[row] = result.observations[row]
            self.batch.reset_ended(result.done, observations)
            infos |= {"final_obs": final, "_final_obs": result.done}
        terminated = np.zeros(self.num_envs, dtype=np.bool_)
        return observations, result.rewards, terminated, result.done, infos
