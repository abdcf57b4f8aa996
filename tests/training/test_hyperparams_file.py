"""Hyper-parameters are read as rl-baselines3-zoo reads them, without evaluating anything."""

from pathlib import Path

import pytest
import yaml
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from damon_tuner.cli import learn
from damon_tuner.envs.sb3 import TunerVecEnv
from damon_tuner.errors import HyperparamsError
from damon_tuner.training.agent import new_agent
from damon_tuner.training.algorithms import ALGORITHMS
from damon_tuner.training.config import TrainConfig
from damon_tuner.training.hyperparams_file import (
    BUNDLED,
    ENV_ID,
    bundled_hyperparams,
    hyperparams_yaml,
    load_hyperparams,
)

BUNDLED_PPO = (BUNDLED / "ppo.yml").read_text()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_bundled_file_is_what_the_zoo_takes(algorithm: str) -> None:
    """As the zoo does it: some keys are its own, it evaluates strings, the agent gets the rest."""
    table = yaml.safe_load((BUNDLED / f"{algorithm}.yml").read_text())[ENV_ID]
    n_envs = table.pop("n_envs")
    assert isinstance(table.pop("n_timesteps"), int)
    normalize = eval(table.pop("normalize"), {"dict": dict})
    policy_kwargs = eval(table.pop("policy_kwargs"), {"dict": dict, "nn": nn})
    # it splits a word at "_" into a schedule and where it starts
    name, initial = str(table["learning_rate"]).split("_") if algorithm == "ppo" else ("lin", "1")
    assert name == "lin" and float(initial) > 0.0
    table["learning_rate"] = float(initial)
    env = VecNormalize(TunerVecEnv(n_envs), gamma=table["gamma"], **normalize)
    agent = ALGORITHMS[algorithm](env=env, policy_kwargs=policy_kwargs, device="cpu", **table)
    assert agent.gamma == bundled_hyperparams(algorithm).gamma


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_written_is_read_again(algorithm: str, tmp_path: Path) -> None:
    changed = bundled_hyperparams(algorithm).changed(
        n_envs=3, gamma=0.5, clip_obs=4.0, net_arch=[7], learning_rate=1e-6
    )
    path = tmp_path / "mine.yml"
    path.write_text(hyperparams_yaml(changed))
    assert load_hyperparams(path, algorithm) == changed != bundled_hyperparams(algorithm)


def test_the_command_knows_every_algorithm() -> None:
    assert learn.ALGORITHMS == tuple(ALGORITHMS)


def test_an_agent_is_what_the_file_says() -> None:
    hyperparams = bundled_hyperparams("ppo").changed(
        n_envs=2, n_steps=4, batch_size=8, net_arch=[5], learning_rate="lin_0.5", clip_obs=3.0
    )
    config = TrainConfig(hyperparams=hyperparams)
    agent, env = new_agent(config, TunerVecEnv(2, config.episodes))
    assert (agent.n_envs, agent.gamma, env.gamma, env.clip_obs) == (2, 0.98, 0.98, 3.0)
    assert agent.policy.action_net.in_features == 5
    assert (agent.lr_schedule(1.0), agent.lr_schedule(0.5), agent.lr_schedule(0.0)) == (
        0.5,
        0.25,
        0,
    )


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        (ENV_ID, "CartPole-v1", f"has no section {ENV_ID}"),
        ("gae_lambda", "gae_lamda", "no hyper-parameter gae_lamda; did you mean 'gae_lambda'"),
        ("  gamma: 0.98\n", "", "gamma is missing"),
        ("n_envs: 128", "n_envs: 0.5", "n_envs must be a whole number"),
        ("n_envs: 128", "n_envs: .nan", "n_envs|NaN"),
        ("n_epochs: 10", "n_epochs: ten", "write 1.0e-3"),
        ("lin_0.0005", "lin_fast", "could not convert"),
        ("nn.Tanh", "nn.ReLU", "policy_kwargs must be"),
        (", activation_fn=nn.Tanh", "", "need activation_fn=nn.Tanh"),
        ("[64, 64]", "__import__('os').getpid()", "policy_kwargs must be"),
        ("norm_obs", "norm_ops", "normalize has no norm_ops; did you mean 'norm_obs'"),
        ("policy: MlpPolicy", "policy: CnnPolicy", "policy must be MlpPolicy"),
        ("  n_epochs: 10", "  clip_obs: 10", "clip_obs belongs into"),
        ("  n_envs", "\t:n_envs", "ppo.yml: "),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_line(
    was: str, becomes: str, message: str, tmp_path: Path
) -> None:
    assert was in BUNDLED_PPO
    path = tmp_path / "ppo.yml"
    path.write_text(BUNDLED_PPO.replace(was, becomes, 1))
    with pytest.raises(HyperparamsError, match=message) as caught:
        load_hyperparams(path, "ppo")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_setting_that_the_algorithm_lacks_is_refused() -> None:
    with pytest.raises(HyperparamsError, match="ppo has no hyper-parameter tau"):
        bundled_hyperparams("ppo").changed(tau=0.1)
