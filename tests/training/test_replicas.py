"""Replicas have the same episodes, and are rewarded for what they do better there."""

from dataclasses import replace

import numpy as np
import pytest

from damon_tuner.envs.sb3 import TunerVecEnv
from damon_tuner.training.replicas import AgainstReplicas

from .small import config_of


def hosts(replicas: int, num_envs: int = 8) -> tuple[TunerVecEnv, AgainstReplicas]:
    episodes = replace(config_of().episodes, replicas=replicas)
    venv = TunerVecEnv(num_envs, episodes)
    return venv, AgainstReplicas(venv, episodes)


def test_replicas_have_the_same_episodes_and_others_have_not() -> None:
    venv, compared = hosts(4)
    venv.seed(5)
    compared.reset()
    drawn = [(venv.batch.budget[i], venv.batch.core.parameters(i)) for i in range(8)]
    assert drawn[0] == drawn[1] == drawn[3] != drawn[4]
    actions = np.zeros((8, compared.action_space.shape[0]), dtype=np.float32)
    for _ in range(30):
        # doing the same is neither better nor worse, across the ends of episodes as well
        _, rewards, _, _ = compared.step(actions)
        assert not rewards.any()
        assert compared.rewards.any()


def test_a_reward_is_against_the_mean_of_the_replicas() -> None:
    venv, compared = hosts(2)
    venv.seed(5)
    compared.reset()
    actions = np.tile(np.array([[1.0, -1.0], [-1.0, 1.0]], dtype=np.float32), (4, 1))
    seen = np.zeros(8)
    for _ in range(10):
        _, rewards, _, _ = compared.step(actions)
        raw = compared.rewards
        assert rewards == pytest.approx(raw - raw.reshape(4, 2).mean(axis=1).repeat(2), abs=1e-6)
        seen += np.abs(rewards)
    assert seen.any()


def test_without_replicas_rewards_are_as_they_were() -> None:
    venv, compared = hosts(1)
    venv.seed(5)
    compared.reset()
    _, rewards, _, _ = compared.step(np.zeros((8, 2), dtype=np.float32))
    assert rewards is compared.rewards and rewards.any()


def test_hosts_must_divide_into_replicas() -> None:
    with pytest.raises(ValueError, match="8 environments are not hosts with 3 replicas"):
        hosts(3)
