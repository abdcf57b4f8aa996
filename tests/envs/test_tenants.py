"""Several tenants a host: each a row with a workload and a budget of its own."""

from __future__ import annotations

import numpy as np
import pytest

from damon_tuner.envs.batch import EpisodeConfig, SimBatch
from damon_tuner.envs.sb3 import TunerVecEnv
from damon_tuner.envs.vector import TunerVectorEnv

CONFIG = EpisodeConfig(tenants=3, episode_s=15.0)


def test_a_host_has_a_row_for_each_tenant() -> None:
    batch = SimBatch(CONFIG, 2)
    batch.seed(1)
    observations = batch.reset()
    assert observations.shape[0] == batch.nr_rows == 6
    assert len(set(batch.budget)) == 6
    result = batch.step(np.zeros((6, 2), dtype=np.float32))
    assert result.rewards.shape == (6,)
    assert {batch.info(row, result)["budget"] for row in range(6)} == set(batch.budget)


def test_a_tenants_knobs_are_its_own() -> None:
    batch = SimBatch(CONFIG, 1)
    batch.seed(1)
    batch.reset()
    actions = np.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]], dtype=np.float32)
    for _ in range(3):
        result = batch.step(actions)
    ages = [batch.info(row, result)["knobs"]["min_age_s"] for row in range(3)]
    assert ages == sorted(ages)
    assert ages[0] < 3.0 < 200.0 < ages[2]


def test_the_tenants_of_a_host_end_their_episode_together() -> None:
    env = TunerVecEnv(6, CONFIG)
    env.seed(3)
    env.reset()
    ended: list[np.ndarray[tuple[int], np.dtype[np.bool_]]] = []
    for _ in range(6):
        env.step_async(np.zeros((6, 2), dtype=np.float32))
        _, _, done, infos = env.step_wait()
        ended.append(done)
        assert [bool(info) for info in infos] == list(done)
    assert any(done.any() for done in ended)
    for done in ended:
        assert len(set(done[:3])) == len(set(done[3:])) == 1


def test_environments_must_fill_hosts() -> None:
    with pytest.raises(ValueError, match="hosts of 3 tenants"):
        TunerVectorEnv(4, CONFIG)
