"""An untrained agent, made of hyper-parameters."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch import nn

from damon_tuner.training.algorithms import ALGORITHMS, Agent
from damon_tuner.training.config import TrainConfig


def new_agent(config: TrainConfig, env: VecEnv) -> tuple[Agent, VecNormalize]:
    """An untrained agent on ``env``, and the normaliser between them."""
    torch.set_num_threads(config.torch_threads)
    random.seed(config.seed)
    hyperparams = config.hyperparams
    normalised = VecNormalize(env, gamma=hyperparams.gamma, **hyperparams.normalize)
    agent = ALGORITHMS[hyperparams.algorithm](
        "MlpPolicy",
        normalised,
        policy_kwargs={**hyperparams.policy_kwargs, "activation_fn": nn.Tanh},
        seed=config.seed,
        device="cpu",
        **{name: _scheduled(value) for name, value in hyperparams.arguments.items()},
    )
    return agent, normalised


def _scheduled(value: Any) -> Any:
    """``lin_X`` falls linearly from X to 0 as training goes on."""
    if isinstance(value, str) and value.startswith("lin_"):
        return _falling(float(value.removeprefix("lin_")))
    return value


def _falling(initial: float) -> Callable[[float], float]:
    return lambda left: initial * left
