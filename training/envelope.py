"""What a trained policy sees on the loads that it was trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from damon_tuner import _core
from damon_tuner.envs.batch import EpisodeConfig, Observations, SimBatch
from damon_tuner.policies.envelope import Envelope

NR_EPISODES = 320
TAIL = 0.001
"""The share of the lowest and of the highest values of each feature that are left out."""


def measure_envelope(
    network: _core.Network, episodes: EpisodeConfig, seed: int, *, nr_threads: int = 1
) -> Envelope:
    """The quantiles 0.1 % and 99.9 % of each feature over episodes as training draws them.

    The result depends on ``seed``, not on ``nr_threads``.
    """
    batch = SimBatch(episodes, NR_EPISODES, nr_threads)
    batch.seed(seed)
    seen = np.concatenate(list(answered(network, batch, batch.reset())))
    low, high = np.quantile(seen, (TAIL, 1.0 - TAIL), axis=0).astype(np.float32)
    return Envelope(tuple(low.tolist()), tuple(high.tolist()), batch.schema)


def answered(
    network: _core.Network, batch: SimBatch, observations: Observations
) -> Iterator[Observations]:
    """Every observation, (rows, F), that ``network`` answers until the episodes end.

    ``observations`` are the first ones of episodes that have just begun.
    """
    actions = np.zeros((batch.nr_rows, batch.schema.nr_knobs), dtype=np.float32)
    for _ in range(batch.config.episode_steps):
        yield observations
        network.forward(observations, actions)
        observations = batch.step(actions).observations
