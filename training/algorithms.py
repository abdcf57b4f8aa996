"""The algorithms that policies are trained with, by the names that the zoo gives them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TypeAlias

from sb3_contrib import TQC
from stable_baselines3 import PPO, SAC

Agent: TypeAlias = PPO | SAC | TQC

ALGORITHMS: Mapping[str, type[Agent]] = {"ppo": PPO, "sac": SAC, "tqc": TQC}

# What training itself gives an agent.
_GIVEN = frozenset({"self", "policy", "env", "policy_kwargs", "seed", "device", "verbose"})

ON_POLICY = frozenset({"ppo"})
"""Those that learn only from what they have just done."""


def argument_names(algorithm: str) -> tuple[str, ...]:
    """Arguments of an algorithm that are hyper-parameters."""
    names = inspect.signature(ALGORITHMS[algorithm].__init__).parameters
    return tuple(name for name in names if name not in _GIVEN and not name.startswith("_"))
