"""A fleet's experience becomes arrays that say what happened, and what is left out is told."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from damon_tuner import _core
from damon_tuner.daemon.experience import Experience
from damon_tuner.daemon.experience.record import encode
from damon_tuner.envs import HostEnv
from damon_tuner.errors import RecordingError
from damon_tuner.kernel_iface.host import Snapshot
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import MONITORING, Decision
from damon_tuner.policies.schema import RECLAIM
from damon_tuner.training.experience import (
    load_experience,
    summary,
    transitions,
)

from ..daemon.experiences import BEGUN_S, RECORD, keep, lived, series

LOAD = _core.Spec("kv", {"footprint_bytes": (2.0**31, 2.0**31)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "experience"


def test_what_a_real_loop_saw_and_did_comes_back(folder: Path) -> None:
    records, steps = lived(LOAD, 20)
    keep(folder, records)
    loaded = load_experience(folder)
    (trajectory,) = loaded.trajectories
    assert len(trajectory) == 20
    assert (trajectory.tenant, trajectory.mode, trajectory.interval_s) == ("redis", "act", 5.0)
    assert trajectory.observation.dtype == trajectory.action.dtype == np.float32
    assert np.array_equal(trajectory.observation, [d.observation for _, d in steps])
    assert np.array_equal(trajectory.action, [d.action for _, d in steps])
    assert np.array_equal(trajectory.slowdown, [d.slowdown for _, d in steps])
    assert np.array_equal(trajectory.resident_bytes, [s.resident_bytes for s, _ in steps])
    assert np.array_equal(trajectory.swapped_bytes, [s.swapped_bytes for s, _ in steps])
    assert np.array_equal(trajectory.time_s, BEGUN_S + 5.0 * np.arange(20))
    assert np.all(trajectory.budget == 0.02)
    assert (loaded.nr_damaged, loaded.nr_foreign, loaded.nr_unobserved) == (0, 0, 0)


def changed(first: int, **changes: object) -> list[Experience]:
    """Ten decisions, of which those from ``first`` on differ."""
    return [
        replace(record, **changes) if k >= first else record  # type: ignore[arg-type]
        for k, record in enumerate(series(10))
    ]


@pytest.mark.parametrize(
    ("records", "lengths"),
    [
        (series(10), [10]),
        (changed(4, mode="shadow"), [4, 6]),
        (changed(4, policy_sha256="cd" * 32), [4, 6]),
        (changed(4, run="4d" * 16), [4, 6]),
        (changed(4, tenant="web"), [4, 6]),
        (changed(4, budget=0.05), [10]),
        ([*series(10)[:4], *series(10)[5:]], [4, 5]),
        # A static policy in between, which observes nothing.
        ([*series(4), *changed(0, observation=(), action=(), slowdown=None)[4:6], *series(10)[6:]],
         [4, 4]),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_split(
    folder: Path, records: list[Experience], lengths: list[int]
) -> None:
    keep(folder, records)
    assert [len(each) for each in load_experience(folder).trajectories] == lengths


def test_folders_of_several_hosts_and_segments_are_read_together(tmp_path: Path) -> None:
    for name in ("one", "two"):
        keep(tmp_path / name, series(5))
    loaded = load_experience(tmp_path / "one", tmp_path / "two" / "experience-00000001.jsonl")
    assert [len(each) for each in loaded.trajectories] == [5, 5]


def test_what_is_left_out_is_counted_and_said(folder: Path) -> None:
    other = "ee" * 32
    records = [*series(3), *series(2, schema=other), *series(4, observation=(), action=())]
    keep(folder, records)
    with (folder / "experience-00000001.jsonl").open("ab") as file:
        file.write(b"garbage\n" + encode(RECORD)[:-5])
    loaded = load_experience(folder)
    assert (loaded.nr_damaged, loaded.nr_unobserved) == (2, 4)
    assert loaded.other_schemas == {other: 2}
    text = summary(loaded)
    assert text.splitlines()[0].startswith("'redis': 3 decisions over 0.0 h (3 carried out)")
    assert "left out: 2 on lines that are torn or altered" in text
    assert "left out: 4 by a static policy" in text
    assert "(schema eeeeeeeeeeee)" in text


def test_experience_of_another_schema_alone_is_refused(folder: Path) -> None:
    keep(folder, series(3, schema="ee" * 32))
    with pytest.raises(RecordingError, match=r"all 3 decisions .* other observations or knobs"):
        load_experience(folder)


def test_a_folder_without_experience_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=rf"{tmp_path}: cannot be read"):
        load_experience(tmp_path)


def test_nothing_to_learn_from_is_said() -> None:
    assert summary(load_experience()) == "there is no decision in it"
    steps = transitions([])
    assert steps.observation.shape == steps.next_observation.shape == (0, RECLAIM.nr_features)
    assert (steps.action.shape, steps.reward.shape) == ((0, RECLAIM.nr_knobs), (0,))


class WatchedHost(SimHost):
    """A simulated host that remembers what it showed."""

    def __init__(self) -> None:
        super().__init__(LOAD, seed=3, attrs=MONITORING)
        self.shown: list[Snapshot] = []

    def snapshot(self) -> Snapshot:
        self.shown.append(super().snapshot())
        return self.shown[-1]


def test_rewards_are_those_of_the_environment_of_a_live_host(folder: Path) -> None:
    host = WatchedHost()
    env = HostEnv(lambda: host, budget=0.02)
    observation, _ = env.reset()
    rng = np.random.default_rng(1)
    rewards, records, slowdown = [], [], 0.0
    for k in range(40):
        # so that something happens: minimum ages up to 5 minutes, quotas from 0.01 % a second
        action = rng.uniform((-1.0, -0.5), (0.567, 1.0)).astype(np.float32)
        decision = Decision(
            (), {}, (), tuple(observation.tolist()), tuple(action.tolist()), slowdown
        )
        records.append(
            Experience.of(
                host.shown[-1],
                decision,
                time_s=BEGUN_S + 5.0 * k,
                run="5e" * 16,
                tenant="redis",
                mode="act",
                policy_sha256="",
                budget=0.02,
                interval_s=5.0,
            )
        )
        observation, reward, _, _, info = env.step(action)
        rewards.append(reward)
        slowdown = info["slowdown"]
    env.close()
    keep(folder, records)
    steps = transitions(load_experience(folder).trajectories)
    assert min(rewards) < 0.0 < max(rewards)
    assert steps.reward == pytest.approx(rewards[:-1])
    assert np.array_equal(steps.observation[1:], steps.next_observation[:-1])
    assert np.array_equal(steps.action, [record.action for record in records[:-1]])


def test_steps_of_shadow_mode_are_only_taken_when_asked_for(folder: Path) -> None:
    keep(folder, changed(4, mode="shadow"))
    trajectories = load_experience(folder).trajectories
    assert len(transitions(trajectories).reward) == 3
    assert len(transitions(trajectories, modes=("act", "shadow")).reward) == 3 + 5


def test_steps_without_numbers_are_left_out(folder: Path) -> None:
    records = series(10)
    records[3] = replace(records[3], action=(math.nan, 0.0))
    records[7] = replace(records[7], slowdown=None)
    keep(folder, records)
    steps = transitions(load_experience(folder).trajectories)
    assert len(steps.reward) == 7
    assert np.isfinite(steps.reward).all() and np.isfinite(steps.action).all()
