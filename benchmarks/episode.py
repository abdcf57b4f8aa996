"""One episode of a learned policy, recorded step by step to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damon_tuner.envs.batch import EpisodeConfig, SimBatch
from damon_tuner.envs.workload_file import Workload
from damon_tuner.policies.policy_file import Policy

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
    knobs: Mapping[str, NDArray[np.float64]]
    saving: NDArray[np.float64]
    slowdown: NDArray[np.float64]


def record_episode(policy: Policy, workload: Workload, budget: float) -> Episode:
    """Run ``policy`` on one simulated host."""
    config = EpisodeConfig(workloads=(workload,), groups=policy.schema.groups)
    network = policy.network()
    batch = SimBatch(config, 1)
    observation = batch.begin(0, (0,), _EPISODE_SEED, (budget,))
    actions = np.zeros((1, batch.schema.nr_knobs), dtype=np.float32)
    columns = [batch.schema.observation_names.index(name) for name in _HEAT]
    heat, rows, knobs = [], [], []
    for step in range(config.episode_steps):
        network.forward(observation, actions)
        result = batch.step(actions)
        observation = result.observations
        info = batch.info(0, result)
        knobs.append(list(info["knobs"].values()))
        heat.append(observation[0, columns])
        rows.append(
            (
                (step + 1) * config.interval_s,
                info["saving"],
                info["slowdown"],
            )
        )
    seconds, saving, slowdown = np.array(rows).T
    by_knob = dict(zip(policy.schema.knob_names, np.array(knobs).T, strict=True))
    labels = tuple(name.removesuffix("_share").replace("_", " ") for name in _HEAT)
    return Episode(labels, seconds, np.array(heat), by_knob, saving, slowdown)
