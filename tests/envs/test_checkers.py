"""The environments pass the checkers of the libraries that use them."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3

from damon_tuner.envs import EpisodeConfig, TunerEnv

ENV_ID = "damon_tuner.envs:damon_tuner/Tuner-v0"


def test_gymnasium_finds_nothing_wrong() -> None:
    check_gymnasium(gymnasium.make(ENV_ID).unwrapped)


def test_sb3_finds_nothing_wrong() -> None:
    check_sb3(TunerEnv(EpisodeConfig(episode_s=30.0)))


def test_an_episode_is_truncated_after_its_time_and_tells_what_happened() -> None:
    env = TunerEnv(EpisodeConfig(episode_s=20.0, interval_s=5.0, budget=(0.02, 0.02)))
    env.reset(seed=3)
    for step in range(4):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert not terminated
        assert truncated == (step == 3)
        assert observation in env.observation_space
        assert np.isfinite(reward)
    assert info["budget"] == pytest.approx(0.02)
    assert info["breach"] == (info["slowdown"] > 0.02)
    assert info["knobs"]["min_age_s"] >= 2.0


def test_make_vec_gives_the_native_vector_environment() -> None:
    env = gymnasium.make_vec(ENV_ID, num_envs=3, vectorization_mode="vector_entry_point")
    observations, infos = env.reset(seed=1)
    assert observations.shape == env.observation_space.shape
    assert infos["budget"].shape == (3,)
