"""``Tuner-v0``: one simulated host as a Gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from damon_tuner.envs.batch import EpisodeConfig, Observations, SimBatch
from damon_tuner.envs.spaces import action_space, observation_space


class TunerEnv(gymnasium.Env[Observations, NDArray[np.float32]]):
    """One host; an action a control interval, an episode of ``config.episode_s`` seconds.

    Episodes are truncated, never terminated. ``info`` holds the interval's true saving and
    slowdown, the budget, whether it was breached, and the knobs and the guard's reasons.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (Gymnasium's own type)

    def __init__(self, config: EpisodeConfig | None = None) -> None:
        self._batch = SimBatch.with_rows(config or EpisodeConfig(), 1)
        self.observation_space = observation_space(self._batch.schema)
        self.action_space = action_space(self._batch.schema)
        self.render_mode = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode; with ``seed``, everything that follows is determined by it."""
        super().reset(seed=seed)
        if seed is not None:
            self._batch.seed(seed)
        return self._batch.reset_host(0)[0], {"budget": float(self._batch.budget[0])}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        """Run one control interval."""
        result = self._batch.step(np.asarray(action)[None])
        info = dict(self._batch.info(0, result))
        return result.observations[0], float(result.rewards[0]), False, bool(result.done[0]), info
