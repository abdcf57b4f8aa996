"""The configuration of damon-tunerd: TOML, taken whole or refused with every reason."""

from damon_tuner.daemon.config.describe import describe
from damon_tuner.daemon.config.load import DEFAULT_PATH, load_config
from damon_tuner.daemon.config.model import (
    Breaker,
    Config,
    Experience,
    Limits,
    Mode,
    Score,
    TenantConfig,
)

__all__ = [
    "DEFAULT_PATH",
    "Breaker",
    "Config",
    "Experience",
    "Limits",
    "Mode",
    "Score",
    "TenantConfig",
    "describe",
    "load_config",
]
