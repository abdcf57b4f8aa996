"""From a stable-baselines3 agent to a policy file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from damon_tuner.policies.envelope import Envelope
from damon_tuner.policies.policy_file import Policy, Tensor
from damon_tuner.training.algorithms import Agent


def policy_from_sb3(
    agent: Agent,
    env: VecNormalize,
    provenance: Mapping[str, Any],
    envelope: Envelope,
) -> Policy:
    """The deterministic actor of ``agent`` behind the normaliser of ``env``.

    Raises:
        TypeError: the actor has layers that the exported network does not know.

    """
    statistics = env.obs_rms
    assert isinstance(statistics, RunningMeanStd)
    scale = 1.0 / np.sqrt(statistics.var + env.epsilon)
    return Policy(
        mean=_tensor(statistics.mean),
        scale=_tensor(scale),
        clip=env.clip_obs,
        layers=tuple((_tensor(m.weight), _tensor(m.bias)) for m in _linear_layers(agent)),
        envelope=envelope,
        provenance=provenance,
        output="clip" if isinstance(agent, PPO) else "tanh",
    )


def _linear_layers(agent: Agent) -> list[nn.Linear]:
    """The actor's layers; the C network knows tanh between them and nothing else."""
    layers = actor_layers(agent)
    linear = [module for module in layers if isinstance(module, nn.Linear)]
    for first, second in pairwise(layers):
        if isinstance(first, nn.Linear) != isinstance(second, nn.Tanh):
            raise TypeError("only networks with tanh between linear layers can be exported")
    if not linear or not isinstance(layers[-1], nn.Linear):
        raise TypeError("only feed-forward actors with a continuous action can be exported")
    return linear


def actor_layers(agent: Agent) -> list[nn.Module]:
    """What the mean of an action comes from, in order, from the normalised observation on."""
    if isinstance(agent, PPO):
        return [*agent.policy.mlp_extractor.policy_net, agent.policy.action_net]
    return [*agent.actor.latent_pi, agent.actor.mu]


def _tensor(values: Any) -> Tensor:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    array = np.ascontiguousarray(values, dtype="<f4")
    return Tensor(array.shape, array.tobytes())
