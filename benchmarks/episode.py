"""One episode of a learned policy, recorded step by step to be looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.envs.batch import EpisodeConfig, SimBatch
from damon_tuner.envs.workload_file import bundled_workload

# Hottest first: the observation's shares of bytes by heat, then by idle time.
_HEAT = (
    "hot_share",
    "warm_share",
    "rare_share",
    "idle_below_2s_share",
    "idle_2s_share",
    "idle_5s_share",
    "idle_10s_share",
    "idle_20s_share",
    "idle_40s_share",
    "idle_80s_share",
    "idle_160s_share",
)
_EPISODE_SEED = 20_001


@dataclass(frozen=True, slots=True)
class Episode:
    """Arrays over the control intervals; ``heat`` is (intervals, heat classes), hottest first."""

    heat_labels: tuple[str, ...]
    seconds: NDArray[np.float64]
    heat: NDArray[np.float64]
    min_age_s: NDArray[np.float64]
    quota_mib_per_s: NDArray[np.float64]
    saving: NDArray[np.float64]
    slowdown: NDArray[np.float64]


def record_episode(network: _core.Network, workload: str, budget: float) -> Episode:
    """Run ``network`` on one simulated host."""
    config = EpisodeConfig(workloads=(bundled_workload(workload),))
    batch = SimBatch(config, 1)
    observation = batch.begin(0, (0,), _EPISODE_SEED, (budget,))
    actions = np.zeros((1, batch.schema.nr_knobs), dtype=np.float32)
    columns = [batch.schema.observation_names.index(name) for name in _HEAT]
    heat, rows = [], []
    for step in range(config.episode_steps):
        network.forward(observation, actions)
        result = batch.step(actions)
        observation = result.observations
        info = batch.info(0, result)
        knobs = info["knobs"]
        heat.append(observation[0, columns])
        rows.append(
            (
                (step + 1) * config.interval_s,
                knobs["min_age_s"],
                knobs["quota_bytes_per_s"] / 2**20,
                info["saving"],
                info["slowdown"],
            )
        )
    seconds, min_age_s, quota, saving, slowdown = np.array(rows).T
    labels = tuple(name.removesuffix("_share").replace("_", " ") for name in _HEAT)
    return Episode(labels, seconds, np.array(heat), min_age_s, quota, saving, slowdown)
