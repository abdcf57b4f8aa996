"""All three environments are views of the same episodes, and a seed determines everything."""

import numpy as np
import pytest
from numpy.typing import NDArray

from damon_tuner.envs import EpisodeConfig, TunerEnv, TunerVectorEnv
from damon_tuner.envs.sb3 import TunerVecEnv

HOSTS = 4
STEPS = 12
# short enough that episodes end, and hosts begin again, within the test
CONFIG = EpisodeConfig(episode_s=35.0)


def _actions() -> NDArray[np.float32]:
    return np.random.default_rng(5).uniform(-1, 1, (STEPS, HOSTS, 2)).astype(np.float32)


def _run_vector(threads: int, seed: int = 11) -> list[NDArray[np.float64]]:
    env = TunerVectorEnv(HOSTS, CONFIG, nr_threads=threads)
    seen = [env.reset(seed=seed)[0].astype(float)]
    for actions in _actions():
        observations, rewards, _, truncated, infos = env.step(actions)
        seen += [observations.astype(float), rewards, truncated.astype(float), infos["slowdown"]]
    return seen


def test_a_seed_determines_everything_whatever_the_threads() -> None:
    one, two = _run_vector(1), _run_vector(3)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_another_seed_gives_other_episodes() -> None:
    one, two = _run_vector(1), _run_vector(1, seed=12)
    assert not np.array_equal(one[0], two[0]) or not np.array_equal(one[-1], two[-1])


def test_vector_and_sb3_see_the_same_until_their_episodes_end() -> None:
    vector = TunerVectorEnv(HOSTS, CONFIG)
    sb3 = TunerVecEnv(HOSTS, CONFIG)
    sb3.seed(11)
    first, _ = vector.reset(seed=11)
    assert np.array_equal(first, sb3.reset())
    running = np.ones(HOSTS, dtype=bool)
    for actions in _actions():
        a, rewards_a, _, _, _ = vector.step(actions)
        b, rewards_b, dones, _ = sb3.step(actions)
        running &= ~dones
        assert np.array_equal(a[running], b[running])
        assert np.allclose(rewards_a[running], rewards_b[running], rtol=1e-6)


def test_a_single_environment_is_a_vector_of_one() -> None:
    single, vector = TunerEnv(CONFIG), TunerVectorEnv(1, CONFIG)
    a, _ = single.reset(seed=2)
    b, _ = vector.reset(seed=2)
    assert np.array_equal(a, b[0])
    for actions in _actions()[:6]:
        a, reward, _, _, _ = single.step(actions[0])
        b, rewards, _, _, _ = vector.step(actions[:1])
        assert np.array_equal(a, b[0])
        assert reward == rewards[0]


def test_vector_hands_over_the_last_observation_and_begins_again() -> None:
    env = TunerVectorEnv(2, CONFIG)
    env.reset(seed=0)
    for actions in _actions()[:7]:
        observations, _, _, truncated, infos = env.step(actions[:2])
    assert truncated.all()
    assert infos["_final_obs"].all()
    for host in range(2):
        assert not np.array_equal(infos["final_obs"][host], observations[host])


def test_sb3_gets_what_ppo_needs_to_bootstrap() -> None:
    env = TunerVecEnv(HOSTS, CONFIG)
    env.seed(0)
    env.reset()
    ended = 0
    for actions in _actions():
        observations, _, dones, infos = env.step(actions)
        for host in np.flatnonzero(dones):
            ended += 1
            assert infos[host]["TimeLimit.truncated"] is True
            assert infos[host]["terminal_observation"].shape == (observations.shape[1],)
            assert not np.array_equal(infos[host]["terminal_observation"], observations[host])
            assert infos[host]["episode"]["l"] <= 7
    assert ended >= HOSTS


def test_observations_are_not_overwritten_by_the_next_step() -> None:
    env = TunerVecEnv(HOSTS, CONFIG)
    before = env.reset()
    kept = before.copy()
    env.step(_actions()[0])
    assert np.array_equal(before, kept)


def test_vector_refuses_a_list_of_seeds() -> None:
    with pytest.raises(ValueError, match="one seed"):
        TunerVectorEnv(2, CONFIG).reset(seed=[1, 2])
