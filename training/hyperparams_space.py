"""Where a search looks for the hyper-parameters of each algorithm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from damon_tuner.training.hyperparams_file import Hyperparams


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Dimension:
    """What is drawn, what the file holds then, and the way back from a file."""

    distribution: BaseDistribution
    to_file: Callable[[Any], Any] = _as_it_is
    from_file: Callable[[Any], Any] = _as_it_is


_GAMMA = Dimension(
    # by what is missing to 1: from 0.99 to 0.995 is as far as from 0.9 to 0.95
    FloatDistribution(0.005, 0.2, log=True),
    lambda missing: round(1.0 - missing, 4),
    lambda gamma: round(1.0 - gamma, 4),
)
_WIDTHS = CategoricalDistribution((32, 64, 128))

_ON_POLICY: Mapping[str, Dimension] = {
    "gamma": _GAMMA,
    "learning_rate": Dimension(
        FloatDistribution(1e-4, 3e-3, log=True),
        lambda initial: f"lin_{initial:.3g}",
        lambda word: float(str(word).removeprefix("lin_")),
    ),
    "n_steps": Dimension(CategoricalDistribution((30, 60, 120))),
    "batch_size": Dimension(CategoricalDistribution((120, 240, 480, 640, 960))),
    "n_epochs": Dimension(IntDistribution(3, 15)),
    "gae_lambda": Dimension(FloatDistribution(0.8, 0.99)),
    "ent_coef": Dimension(FloatDistribution(0.0, 0.01)),
    "log_std_init": Dimension(FloatDistribution(-1.6, 0.0)),
    "net_arch": Dimension(_WIDTHS, lambda width: [width, width], lambda widths: widths[0]),
}
_OFF_POLICY: Mapping[str, Dimension] = {
    "gamma": _GAMMA,
    "learning_rate": Dimension(FloatDistribution(1e-4, 3e-3, log=True)),
    "batch_size": Dimension(CategoricalDistribution((128, 256, 512))),
    "gradient_steps": Dimension(IntDistribution(1, 8)),
    "tau": Dimension(FloatDistribution(0.003, 0.05, log=True)),
    "net_arch": Dimension(
        _WIDTHS,
        lambda width: {"pi": [width, width], "qf": [128, 128]},
        lambda widths: widths["pi"][0],
    ),
}
SPACES: Mapping[str, Mapping[str, Dimension]] = {
    "ppo": _ON_POLICY,
    "sac": _OFF_POLICY,
    "tqc": {
        **_OFF_POLICY,
        "top_quantiles_to_drop_per_net": Dimension(IntDistribution(0, 5)),
    },
}


def distributions(algorithm: str) -> dict[str, BaseDistribution]:
    """What is drawn, by name."""
    return {name: one.distribution for name, one in SPACES[algorithm].items()}


def to_hyperparams(start: Hyperparams, drawn: Mapping[str, Any]) -> Hyperparams:
    """``start`` with what was drawn."""
    space = SPACES[start.algorithm]
    return start.changed(**{name: space[name].to_file(value) for name, value in drawn.items()})


def from_hyperparams(hyperparams: Hyperparams) -> dict[str, Any]:
    """What would have to be drawn for these, as far as they say it."""
    said = {**hyperparams.arguments, **hyperparams.policy_kwargs}
    space = SPACES[hyperparams.algorithm]
    return {name: one.from_file(said[name]) for name, one in space.items() if name in said}
