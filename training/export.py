"""From a stable-baselines3 agent to a policy file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from damon_tuner.policies.envelope import Envelope
from damon_tuner.policies.policy_file import Policy, Tensor


def policy_from_sb3(
    agent: PPO,
    env: VecNormalize,
    provenance: Mapping[str, Any],
    envelope: Envelope,
) -> Policy:
    """The deterministic actor of ``agent`` behind the normaliser of ``env``."""
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
    )


def _linear_layers(agent: PPO) -> list[nn.Linear]:
    """The actor's layers; the C network knows tanh between them and nothing else."""
    actor = agent.policy.mlp_extractor.policy_net
    hidden = [module for module in actor if isinstance(module, nn.Linear)]
    others = [module for module in actor if not isinstance(module, nn.Linear)]
    output = agent.policy.action_net
    if not all(isinstance(module, nn.Tanh) for module in others):
        raise TypeError("only networks with tanh between linear layers can be exported")
    if not isinstance(output, nn.Linear) or len(others) != len(hidden):
        raise TypeError("only feed-forward actors with a continuous action can be exported")
    return [*hidden, output]


def _tensor(values: Any) -> Tensor:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    array = np.ascontiguousarray(values, dtype="<f4")
    return Tensor(array.shape, array.tobytes())
