"""What a training run is made of."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.policies.schema import DEFAULT_GROUPS
from damon_tuner.training.hyperparams_file import Hyperparams, bundled_hyperparams


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """An algorithm on many simulated hosts."""

    episodes: EpisodeConfig = field(default_factory=lambda: EpisodeConfig(groups=DEFAULT_GROUPS))
    """Which hosts, loads and budgets are drawn."""
    hyperparams: Hyperparams = field(default_factory=lambda: bundled_hyperparams("ppo"))
    """The algorithm and what it is set to, for how many hosts and control intervals."""
    replicas: int = 4
    """So many hosts have the same episodes, and rewards are against their mean, for algorithms
    that learn only from what they have just done: elsewhere the mean is of other policies."""
    blind_to: tuple[str, ...] = ()
    """Features that the agent does not see; to find out what they are worth."""
    nr_threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Threads that step the simulator; the result does not depend on it."""
    torch_threads: int = 1
    """Threads of torch: the result depends on it, and one is fastest for a network this small."""
    seed: int = 0
    """Determines hosts, loads, budgets, initial weights and exploration."""
