"""Gymnasium environments over simulated and real hosts; importing this registers ``Tuner-v0``.

Use ``gymnasium.make("damon_tuner.envs:damon_tuner/Tuner-v0")``, ``gymnasium.make_vec`` with the
same id, or for stable-baselines3 ``damon_tuner.envs.sb3.TunerVecEnv``. A real host is wrapped by
``HostEnv``.
"""

import gymnasium

from damon_tuner.envs.batch import EpisodeConfig, SimBatch
from damon_tuner.envs.env import TunerEnv
from damon_tuner.envs.host_env import HostEnv
from damon_tuner.envs.vector import TunerVectorEnv

__all__ = ["EpisodeConfig", "HostEnv", "SimBatch", "TunerEnv", "TunerVectorEnv"]

gymnasium.register(
    id="damon_tuner/Tuner-v0",
    entry_point="damon_tuner.envs.env:TunerEnv",
    vector_entry_point="damon_tuner.envs.vector:TunerVectorEnv",
)
