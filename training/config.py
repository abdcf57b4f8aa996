"""What a training run is made of."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from damon_tuner.envs.batch import EpisodeConfig


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """PPO on many simulated hosts."""

    episodes: EpisodeConfig = field(default_factory=EpisodeConfig)
    """Which hosts, loads and budgets are drawn."""
    total_steps: int = 400_000
    """Control intervals over all hosts."""
    nr_hosts: int = 64
    """Hosts stepped together."""
    nr_threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Threads that step the simulator; the result does not depend on it."""
    torch_threads: int = 1
    """Threads of torch: the result depends on it, and one is fastest for a network this small."""
    seed: int = 0
    """Determines hosts, loads, budgets, initial weights and exploration."""
    hidden: tuple[int, ...] = (64, 64)
    """Width of each hidden layer."""
    rollout_steps: int = 60
    """Control intervals of each host between two updates."""
    batch_size: int = 240
    """Transitions in a gradient step."""
    epochs: int = 10
    """Passes over a rollout."""
    learning_rate: float = 4e-4
    """At the start; it falls linearly to a tenth."""
    gamma: float = 0.97
    """Discount a control interval."""
    gae_lambda: float = 0.92
    """Bias against variance of the advantage."""
    log_std_init: float = -0.7
    """Exploration at the start, as the logarithm of the action's standard deviation."""
    ent_coef: float = 0.0
    """Reward for staying random."""
    clip_obs: float = 10.0
    """Bound of a normalised feature."""
