"""Training runs of a second."""

from damon_tuner.envs import EpisodeConfig
from damon_tuner.envs.workload_file import bundled_workload
from damon_tuner.training.config import TrainConfig
from damon_tuner.training.hyperparams_file import bundled_hyperparams

_ON_POLICY = {"n_steps": 16, "batch_size": 64, "n_epochs": 2}
_OFF_POLICY = {"learning_starts": 128, "batch_size": 32, "gradient_steps": 1, "buffer_size": 2_000}


def config_of(algorithm: str = "ppo", **settings: object) -> TrainConfig:
    """512 control intervals of 8 hosts."""
    small = _ON_POLICY if algorithm == "ppo" else _OFF_POLICY
    hyperparams = bundled_hyperparams(algorithm)
    return TrainConfig(
        episodes=EpisodeConfig(episode_s=50.0),
        hyperparams=hyperparams.changed(**{"n_envs": 8, "n_timesteps": 512, **small, **settings}),
        nr_threads=2,
    )


def tiny_config(**settings: object) -> TrainConfig:
    """64 control intervals of 4 hosts with one load."""
    tiny = {"n_envs": 4, "n_timesteps": 64, "n_steps": 8, "batch_size": 32, **settings}
    config = config_of("ppo", **tiny)
    episodes = EpisodeConfig(episode_s=50.0, workloads=(bundled_workload("idle"),))
    return TrainConfig(episodes=episodes, hyperparams=config.hyperparams)
