"""Hyper-parameters of an algorithm, in the YAML that rl-baselines3-zoo reads.

A file has one section for the environment::

    damon_tuner/Tuner-v0:
      n_envs: 64                      # hosts stepped together
      n_timesteps: 400000             # control intervals over all hosts
      policy: MlpPolicy
      normalize: "dict(norm_obs=True, norm_reward=True)"          # arguments of VecNormalize
      learning_rate: lin_0.0004         # falls linearly to 0
      gamma: 0.97
      policy_kwargs: "dict(net_arch=[64, 64], activation_fn=nn.Tanh)"

and whatever else the algorithm's constructor takes. The zoo evaluates the strings with ``dict``;
here nothing is evaluated: they hold literals, and ``nn.Tanh``, which is all that the exported
network knows.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from damon_tuner.errors import HyperparamsError
from damon_tuner.near import nearest, one_line
from damon_tuner.training.algorithms import ALGORITHMS, argument_names

BUNDLED = Path(__file__).parent / "hyperparams"
ENV_ID = "damon_tuner/Tuner-v0"

_POLICY = "MlpPolicy"
_ACTIVATION = "nn.Tanh"
_NORMALIZE = ("norm_obs", "norm_reward", "clip_obs", "clip_reward", "epsilon")
_POLICY_KWARGS = ("net_arch", "activation_fn", "log_std_init", "n_critics", "n_quantiles")
_LINEAR = "lin_"
_COUNTS = ("n_envs", "n_timesteps")
_PARTS = ("normalize", "policy_kwargs", "arguments")


@dataclass(frozen=True, slots=True)
class Hyperparams:
    """What a YAML file says; names are the zoo's.

    ``arguments`` are those of the algorithm's constructor. Values are plain: numbers, words,
    lists, and ``nn.Tanh`` as a word.
    """

    algorithm: str
    n_envs: int
    n_timesteps: int
    normalize: Mapping[str, Any] = field(default_factory=dict)
    policy_kwargs: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gamma(self) -> float:
        """Discount a control interval."""
        return float(self.arguments["gamma"])

    def changed(self, **settings: Any) -> Hyperparams:
        """The same with other values, whatever part of the file each is in.

        Raises:
            HyperparamsError: the algorithm has no hyper-parameter of such a name.

        """
        changes: dict[str, Any] = {part: dict(getattr(self, part)) for part in _PARTS}
        for name, value in settings.items():
            if name in _COUNTS:
                changes[name] = value
            else:
                changes[_part_of(name, self.algorithm)][name] = value
        return replace(self, **changes)


def bundled_hyperparams(algorithm: str) -> Hyperparams:
    """What training uses where nobody says otherwise; a ``KeyError`` if there is no algorithm."""
    if algorithm not in ALGORITHMS:
        raise KeyError(algorithm)
    return load_hyperparams(BUNDLED / f"{algorithm}.yml", algorithm)


def load_hyperparams(path: Path, algorithm: str) -> Hyperparams:
    """Read a YAML file of hyper-parameters of ``algorithm``, a key of ``ALGORITHMS``.

    Raises:
        HyperparamsError: the file cannot be read, a name is unknown (the nearest known one is
            named), or a value is not of its kind.

    """
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _parse(table, algorithm)
    except (OSError, ValueError, RecursionError, yaml.YAMLError, HyperparamsError) as error:
        raise HyperparamsError(f"{path}: {one_line(error)}") from None


def hyperparams_yaml(hyperparams: Hyperparams) -> str:
    """The file that ``load_hyperparams`` and the zoo read."""
    section = {
        "n_envs": hyperparams.n_envs,
        "n_timesteps": hyperparams.n_timesteps,
        "policy": _POLICY,
        "normalize": _as_call(hyperparams.normalize),
        **hyperparams.arguments,
        "policy_kwargs": _as_call(hyperparams.policy_kwargs),
    }
    text: str = yaml.safe_dump({ENV_ID: section}, sort_keys=False, width=95)
    return text


def _parse(table: object, algorithm: str) -> Hyperparams:
    if not isinstance(table, dict) or not isinstance(table.get(ENV_ID), dict):
        raise HyperparamsError(f"has no section {ENV_ID}: write the hyper-parameters under it")
    section = dict(table[ENV_ID])
    if section.pop("policy", _POLICY) != _POLICY:
        raise HyperparamsError(f"policy must be {_POLICY}: no other network can be exported")
    own = {name: _count(name, section.pop(name, None)) for name in _COUNTS}
    normalize, policy_kwargs = (
        _called(name, section.pop(name, "dict()"), known)
        for name, known in (("normalize", _NORMALIZE), ("policy_kwargs", _POLICY_KWARGS))
    )
    for name, value in section.items():
        if _part_of(name, algorithm) != "arguments":
            raise HyperparamsError(f"{name} belongs into normalize or policy_kwargs")
        _check_argument(name, value)
    if "gamma" not in section:
        raise HyperparamsError("gamma is missing: the discount is never left to a default")
    if policy_kwargs.get("activation_fn") != _ACTIVATION:
        raise HyperparamsError(f"policy_kwargs need activation_fn={_ACTIVATION}: all that exports")
    return Hyperparams(
        algorithm, **own, normalize=normalize, policy_kwargs=policy_kwargs, arguments=section
    )


def _part_of(name: str, algorithm: str) -> str:
    """The part of a file that a hyper-parameter is in."""
    if name in _NORMALIZE:
        return "normalize"
    if name in _POLICY_KWARGS:
        return "policy_kwargs"
    known = argument_names(algorithm)
    if name not in known:
        raise HyperparamsError(
            f"{algorithm} has no hyper-parameter {name}"
            f"{nearest(name, (*known, *_NORMALIZE, *_POLICY_KWARGS))}"
        )
    return "arguments"


def _count(name: str, value: object) -> int:
    if not isinstance(value, (int, float)) or value != int(value) or value < 1:
        raise HyperparamsError(f"{name} must be a whole number from 1 on, not {value!r}")
    return int(value)


def _check_argument(name: str, value: object) -> None:
    if isinstance(value, str) and value.startswith(_LINEAR):
        float(value.removeprefix(_LINEAR))
    elif not isinstance(value, (bool, int, float)) and not (
        isinstance(value, str) and value.startswith("auto")
    ):
        raise HyperparamsError(
            f"{name}: {value!r} is not a number, auto, or lin_NUMBER (YAML reads 1e-3 as a word: "
            "write 1.0e-3)"
        )


def _called(name: str, value: object, known: tuple[str, ...]) -> dict[str, Any]:
    """The arguments of a ``dict(...)`` written as a word."""
    if value is True:
        return {}
    try:
        read = _literal(ast.parse(str(value), mode="eval").body)
    except (SyntaxError, ValueError):
        read = None
    if not isinstance(read, dict):
        raise HyperparamsError(f'{name} must be "dict(name=value, ...)", not {value!r}')
    for key in read:
        if key not in known:
            raise HyperparamsError(f"{name} has no {key}{nearest(key, known)}")
    return read


def _literal(node: ast.expr) -> Any:
    """A value of literals, lists, and ``dict(...)``; any other expression is a ``ValueError``."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "dict" and not node.args:
        return {str(k.arg): _literal(k.value) for k in node.keywords}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(item) for item in node.elts]
    if ast.unparse(node) == _ACTIVATION:
        return _ACTIVATION
    return ast.literal_eval(node)


def _as_call(values: Mapping[str, Any]) -> str:
    return f"dict({', '.join(f'{name}={_as_source(value)}' for name, value in values.items())})"


def _as_source(value: object) -> str:
    if isinstance(value, dict):
        return _as_call(value)
    return _ACTIVATION if value == _ACTIVATION else repr(value)
