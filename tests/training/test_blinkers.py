"""A feature that an agent is blind to is 0 in training, and changes nothing afterwards."""

from dataclasses import replace

import numpy as np
import pytest

from damon_tuner.envs.sb3 import TunerVecEnv
from damon_tuner.policies.schema import RECLAIM
from damon_tuner.training.blinkers import Blinkers
from damon_tuner.training.train import train, trained_policy

from .small import tiny_config

BLIND_TO = ("hot_share", "budget_log")
COLUMNS = [RECLAIM.observation_names.index(name) for name in BLIND_TO]
OTHERS = [i for i in range(RECLAIM.nr_features) if i not in COLUMNS]


def test_hidden_features_are_zero_and_others_as_they_were() -> None:
    config = tiny_config().episodes
    open_eyes = TunerVecEnv(4, config)
    blind = Blinkers(TunerVecEnv(4, config), RECLAIM, BLIND_TO)
    open_eyes.seed(3), blind.seed(3)
    actions = np.zeros((4, RECLAIM.nr_knobs), dtype=np.float32)
    seen, shown = open_eyes.reset(), blind.reset()
    for _ in range(config.episode_steps):
        assert not shown[:, COLUMNS].any()
        assert np.array_equal(shown[:, OTHERS], seen[:, OTHERS])
        seen, _, _, infos = open_eyes.step(actions)
        shown, _, _, blind_infos = blind.step(actions)
        for info, other in zip(infos, blind_infos, strict=True):
            if "terminal_observation" in info:
                assert info["terminal_observation"][COLUMNS].any()
                assert not other["terminal_observation"][COLUMNS].any()


@pytest.mark.parametrize("blind_to", [(), BLIND_TO])
def test_a_policy_does_not_heed_what_it_was_blind_to(blind_to: tuple[str, ...]) -> None:
    policy = trained_policy(train(replace(tiny_config(), blind_to=blind_to), quiet=True))
    observations = np.random.default_rng(0).uniform(-1, 1, (2, RECLAIM.nr_features))
    observations[1, OTHERS] = observations[0, OTHERS]
    actions = np.zeros((2, RECLAIM.nr_knobs), dtype=np.float32)
    policy.network().forward(observations.astype(np.float32), actions)
    assert np.array_equal(actions[0], actions[1]) == bool(blind_to)
