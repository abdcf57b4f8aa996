"""A training run on disk: what it was, the agent itself, and the policy file made from it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from damon_tuner.envs.workload_file import Workload
from damon_tuner.errors import TunerError
from damon_tuner.policies.envelope import Envelope
from damon_tuner.policies.policy_file import Policy, save_policy
from damon_tuner.policies.schema import DEFAULT_GROUPS, schema_of
from damon_tuner.training.algorithms import ALGORITHMS
from damon_tuner.training.config import TrainConfig
from damon_tuner.training.envelope import measure_envelope
from damon_tuner.training.export import policy_from_sb3
from damon_tuner.training.host_needs import require_hosts_for
from damon_tuner.training.hyperparams_file import Hyperparams
from damon_tuner.training.train import provenance, train, trained_policy

_AGENT = "agent.zip"
_NORMALISER = "normaliser.pkl"
_PROVENANCE = "provenance.json"
_ENVELOPE = "envelope.json"


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A finished run: its policy, where the file is, and the reward over training."""

    policy: Policy
    path: Path
    curve: tuple[tuple[int, float], ...]


def train_and_save(
    out: Path,
    steps: int | None = None,
    seed: int = 0,
    workloads: Sequence[Workload] | None = None,
    groups: Sequence[str] = DEFAULT_GROUPS,
    hyperparams: Hyperparams | None = None,
    *,
    quiet: bool = False,
) -> SavedRun:
    """Train a policy of these knob groups; write ``out/run`` and ``out/policy.safetensors``.

    ``hyperparams`` are the bundled ones of PPO where nothing else is said, and ``steps`` theirs.
    A ``quiet`` run shows no progress.

    Raises:
        TunerError: the hosts to train on lack what the knobs act on, or ``out`` cannot be written.
    """
    config = replace(TrainConfig(), seed=seed)
    config = replace(config, episodes=replace(config.episodes, groups=tuple(groups)))
    if hyperparams is not None:
        config = replace(config, hyperparams=hyperparams)
    if steps is not None:
        config = replace(config, hyperparams=replace(config.hyperparams, n_timesteps=steps))
    if workloads:
        episodes = replace(config.episodes, workloads=tuple(workloads))
        config = replace(config, episodes=episodes)
    require_hosts_for(groups, config.episodes.workloads)
    run = out / "run"
    _make_folder(run)
    trained = train(config, quiet=quiet)
    trained.agent.save(run / _AGENT)
    trained.env.save(str(run / _NORMALISER))
    about = provenance(trained)
    schema = config.episodes.schema
    policy = replace(trained_policy(trained), provenance=about)
    envelope = measure_envelope(
        policy.network(), config.episodes, config.seed, nr_threads=config.nr_threads
    )
    policy = replace(policy, envelope=envelope)
    _write_json(run / _PROVENANCE, about)
    ranges = {"low": envelope.low, "high": envelope.high, "groups": schema.groups}
    _write_json(run / _ENVELOPE, ranges)
    path = out / "policy.safetensors"
    save_policy(policy, path)
    return SavedRun(policy, path, trained.curve)


def export_run(run: Path, path: Path) -> None:
    """Make a policy file from a run that ``train_and_save`` wrote.

    Loads the training libraries' own pickles: only for runs that can be trusted.

    Raises:
        TunerError: the run is missing or damaged.

    """
    try:
        about: dict[str, Any] = json.loads((run / _PROVENANCE).read_text(encoding="utf-8"))
        ranges = json.loads((run / _ENVELOPE).read_text(encoding="utf-8"))
        schema = schema_of(ranges["groups"])
        envelope = Envelope(tuple(ranges["low"]), tuple(ranges["high"]), schema)
        agent = ALGORITHMS[about["algorithm"].lower()].load(run / _AGENT, device="cpu")
        with (run / _NORMALISER).open("rb") as file:
            env = pickle.load(file)
    except Exception as error:
        # a damaged pickle may raise anything
        raise TunerError(f"{run} is not a training run: {error}; train again") from None
    save_policy(policy_from_sb3(agent, env, about, envelope), path)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TunerError(f"{path}: cannot be made: {error.strerror}; give another --out") from None
