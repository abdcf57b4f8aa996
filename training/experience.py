"""A fleet's own experience as arrays: what was seen, what was decided, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from damon_tuner.daemon.config import Mode
from damon_tuner.daemon.experience.reading import Kept, read_experience, stretches
from damon_tuner.daemon.experience.record import Experience
from damon_tuner.envs.reward import Floats, RewardWeights, estimated_outcome, reward
from damon_tuner.errors import RecordingError
from damon_tuner.policies.schema import RECLAIM, Schema

_Float32s = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Decisions of one tenant, none missing, in one run of the daemon and under one policy.

    ``observation`` is (N, F), ``action`` (N, K), the other arrays (N,). ``slowdown`` is the share
    that faults cost in the interval before the decision, NaN where nobody estimated it. In
    shadow ``mode`` no action was carried out, and what came of it is the daemon's estimate.
    """

    tenant: str
    run: str
    mode: str
    policy_sha256: str
    interval_s: float
    time_s: Floats
    observation: _Float32s
    action: _Float32s
    budget: Floats
    slowdown: Floats
    resident_bytes: Floats
    swapped_bytes: Floats
    compressed_bytes: Floats

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True, slots=True)
class LoadedExperience:
    """What was read, and how much was not.

    ``nr_damaged`` lines were torn or altered, ``nr_foreign`` are another release's.
    ``nr_unobserved`` decisions were a static policy's, which observes nothing. ``other_schemas``
    counts those that were made with other observations or knobs than this release's, by the hash
    of the schema.
    """

    trajectories: tuple[Trajectory, ...]
    nr_damaged: int
    nr_foreign: int
    nr_unobserved: int
    other_schemas: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """Steps for offline training: (M, F), (M, K), (M,) and (M, F)."""

    observation: _Float32s
    action: _Float32s
    reward: Floats
    next_observation: _Float32s


def load_experience(*paths: Path, schema: Schema = RECLAIM) -> LoadedExperience:
    """Read folders of experience, or single segments: what was decided under ``schema``.

    Raises:
        RecordingError: one cannot be read, or all of its decisions are of another schema.

    """
    trajectories: list[Trajectory] = []
    damaged = foreign = unobserved = 0
    others: Counter[str] = Counter()
    for path in paths:
        kept = _read(path, schema)
        ours = [record for record in kept.records if record.schema == schema.hash]
        observed = [record for record in ours if _is_observed(record, schema)]
        trajectories += _trajectories(observed)
        damaged += kept.nr_damaged
        foreign += kept.nr_foreign
        unobserved += len(ours) - len(observed)
        others.update(r.schema for r in kept.records if r.schema != schema.hash)
    return LoadedExperience(tuple(trajectories), damaged, foreign, unobserved, others)


def transitions(
    trajectories: Iterable[Trajectory],
    weights: RewardWeights | None = None,
    modes: Collection[str] = (Mode.ACT,),
    schema: Schema = RECLAIM,
) -> Transitions:
    """The steps of all trajectories of these ``modes``: by default, those that were carried out.

    All were decided under ``schema``.

    The reward is that of the simulator (``envs/reward.py``), of what the host could tell: memory
    at the end of the interval, and the slowdown estimated in it. Steps without such an estimate
    are left out, and those in which the network answered no number.
    """
    weights = weights or RewardWeights()
    steps = [_steps(each, weights) for each in trajectories if each.mode in modes]
    seen = np.empty((0, schema.nr_features), np.float32)
    set_to = np.empty((0, schema.nr_knobs), np.float32)
    return Transitions(
        np.concatenate([seen, *(s.observation for s in steps)]),
        np.concatenate([set_to, *(s.action for s in steps)]),
        np.concatenate([np.empty(0), *(s.reward for s in steps)]),
        np.concatenate([seen, *(s.next_observation for s in steps)]),
    )


def summary(loaded: LoadedExperience) -> str:
    """What was read, for people: a line for each tenant, and what was left out."""
    by_tenant: dict[str, list[Trajectory]] = {}
    for each in loaded.trajectories:
        by_tenant.setdefault(each.tenant, []).append(each)
    lines = [_tenant_line(name, by_tenant[name]) for name in sorted(by_tenant)]
    left_out = {
        "by a static policy, which observes nothing": loaded.nr_unobserved,
        **{
            f"with other observations or knobs than this release's (schema {schema[:12]})": number
            for schema, number in loaded.other_schemas.items()
        },
        "on lines that are torn or altered": loaded.nr_damaged,
        "of another release": loaded.nr_foreign,
    }
    lines += [f"left out: {number:,} {what}" for what, number in left_out.items() if number]
    return "\n".join(lines or ["there is no decision in it"])


def _read(path: Path, schema: Schema) -> Kept:
    try:
        kept = read_experience(path)
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None
    schemas = {record.schema for record in kept.records}
    if schemas and schema.hash not in schemas:
        raise RecordingError(
            f"{path}: all {len(kept.records):,} decisions in it were made with other observations "
            f"or knobs (schema {min(schemas)[:12]}) than this release's ({schema.hash[:12]}): "
            "read them with the release that made them"
        )
    return kept


def _is_observed(record: Experience, schema: Schema) -> bool:
    sizes = len(record.observation), len(record.action)
    return sizes == (schema.nr_features, schema.nr_knobs)


def _trajectories(records: Iterable[Experience]) -> Iterator[Trajectory]:
    for stretch in stretches(records):
        for _, alike in groupby(stretch, key=lambda r: (r.mode, r.policy_sha256, r.interval_s)):
            yield _trajectory(list(alike))


def _trajectory(records: Sequence[Experience]) -> Trajectory:
    def numbers(name: str) -> Floats:
        return np.array([getattr(record, name) for record in records], dtype=np.float64)

    first = records[0]
    return Trajectory(
        tenant=first.tenant,
        run=first.run,
        mode=first.mode,
        policy_sha256=first.policy_sha256,
        interval_s=first.interval_s,
        time_s=numbers("time_s"),
        observation=np.array([record.observation for record in records], dtype=np.float32),
        action=np.array([record.action for record in records], dtype=np.float32),
        budget=numbers("budget"),
        slowdown=numbers("slowdown"),
        resident_bytes=numbers("resident_bytes"),
        swapped_bytes=numbers("swapped_bytes"),
        compressed_bytes=numbers("compressed_bytes"),
    )


def _steps(each: Trajectory, weights: RewardWeights) -> Transitions:
    outcome = estimated_outcome(
        each.resident_bytes[1:],
        each.swapped_bytes[1:],
        each.compressed_bytes[1:],
        each.slowdown[1:],
    )
    rewards = reward(outcome, each.budget[:-1], weights)
    known = np.isfinite(rewards) & np.isfinite(each.action[:-1]).all(axis=1)
    return Transitions(
        each.observation[:-1][known],
        each.action[:-1][known],
        rewards[known],
        each.observation[1:][known],
    )


def _tenant_line(name: str, trajectories: Sequence[Trajectory]) -> str:
    decisions = sum(map(len, trajectories))
    acted = sum(len(each) for each in trajectories if each.mode == Mode.ACT)
    hours = sum(len(each) * each.interval_s for each in trajectories) / 3600.0
    saving, slowdown = _means(trajectories)
    return (
        f"{name!r}: {decisions:,} decisions over {hours:.1f} h ({acted:,} carried out), "
        f"{len(trajectories)} trajectories of {len({each.run for each in trajectories})} runs; "
        f"{saving:.1%} paged out, slowdown {slowdown:.2%} on average"
    )


def _means(trajectories: Sequence[Trajectory]) -> tuple[float, float]:
    """Share of memory that was paged out, and estimated slowdown."""
    resident, swapped, slowdown = (
        np.concatenate([getattr(each, name) for each in trajectories])
        for name in ("resident_bytes", "swapped_bytes", "slowdown")
    )
    known = slowdown[np.isfinite(slowdown)]
    out = swapped / np.maximum(resident + swapped, 1.0)
    return float(out.mean()), float(known.mean()) if len(known) else 0.0
