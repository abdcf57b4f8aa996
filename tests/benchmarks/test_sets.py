"""What policies are scored on stands still, and is apart from what they are trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from damon_tuner import _core
from damon_tuner.benchmarks.sets import (
    FROZEN,
    HELD_OUT,
    HELD_OUT_HOSTS,
    HOSTS,
    RECORDINGS,
    SET_NAMES,
    SETS_VERSION,
    TRAINING,
    evaluation_sets,
    family_of,
    recordings_of,
    sets_digest,
    workload_digest,
    workload_file_sets,
)
from damon_tuner.envs import EpisodeConfig
from damon_tuner.envs.profile_file import bundled_profiles, find_profile
from damon_tuner.envs.workload_file import TRAINING_FAMILIES, Workload, bundled_workload
from damon_tuner.errors import TunerError
from damon_tuner.policies.rules import STATIC_POLICIES
from damon_tuner.training.evaluate import evaluate

SETS = evaluation_sets()
MASIM = "#regions\nmain, 1M\n\n#phases\nphase 0\n1000\nmain, 1, 64, 1\n"


def test_the_sets_are_as_they_were_frozen() -> None:
    """Where this fails on purpose, add a version to FROZEN with the digest that is printed."""
    assert sets_digest(SETS) == FROZEN[SETS_VERSION]


def test_names_tell_workloads_of_a_set_apart() -> None:
    assert tuple(SETS) == SET_NAMES
    for workloads in SETS.values():
        assert len({workload.name for workload in workloads}) == len(workloads)


def test_nothing_that_is_trained_on_is_held_out() -> None:
    families = {family_of(workload) for workload in SETS[HELD_OUT]}
    assert not families & {family_of(workload) for workload in SETS[TRAINING]}
    assert {family_of(workload) for workload in SETS[HOSTS]} == set(TRAINING_FAMILIES)
    assert len(SETS[HOSTS]) == len(HELD_OUT_HOSTS) * len(TRAINING_FAMILIES)


def _trained(name: str) -> list[tuple[float, float]]:
    """Ranges of a host's parameter that a policy may be trained on."""
    default = next((low, high) for key, low, high, *_ in _core.PROFILE if key == name)
    profiles = (find_profile(profile).ranges for profile in bundled_profiles())
    return [default, *(ranges[name] for ranges in profiles if name in ranges)]


@pytest.mark.parametrize("host", HELD_OUT_HOSTS)
def test_held_out_hosts_are_outside_of_what_is_trained_on(host: str) -> None:
    workload = next(each for each in SETS[HOSTS] if each.name.endswith(f" on {host}"))
    outside = [
        name
        for name, (low, high) in workload.profile.items()
        if all(high < least or low > most for least, most in _trained(name))
    ]
    assert len(outside) >= 2


def test_a_digest_follows_what_episodes_are_drawn_from_and_nothing_else() -> None:
    kv = bundled_workload("kv")
    first = workload_digest(kv)
    assert workload_digest(replace(kv, name="other")) == first
    default = next((low, high) for name, low, high, *_ in _core.PROFILE if name == "swap_in_us")
    assert workload_digest(replace(kv, profile={"swap_in_us": default})) == first
    assert workload_digest(replace(kv, profile={"swap_in_us": (25.0, 201.0)})) != first
    assert workload_digest(bundled_workload("scan")) != first
    digests = {workload_digest(each) for each in SETS[RECORDINGS]}
    assert len(digests) == len(SETS[RECORDINGS])


def test_recordings_play_what_the_kernel_saw() -> None:
    """What is idle around a hot spot is paged out; memory that is all in use is not."""
    workloads = [each for each in SETS[RECORDINGS] if each.name in ("stationary", "rates")]
    contenders = {"pageout_5s": STATIC_POLICIES["pageout_5s"]}
    results = evaluate(
        contenders, workloads, range(3), 0.02, config=EpisodeConfig(episode_s=200.0)
    )
    saved = {w.name: [r.saving for r in results if r.workload == w.name] for w in workloads}
    assert min(saved["stationary"]) > 0.3
    assert max(saved["rates"]) < 0.01


def test_a_folder_of_recordings_is_a_set(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.cfg").write_text(MASIM)
    (tmp_path / "slow.toml").write_text('recording = "deep/one.cfg"\n[workload]\nspeed = 0.5\n')
    (tmp_path / "README").write_text("no recording")
    skipped: list[str] = []
    names = [workload.name for workload in recordings_of(tmp_path, skipped.append)]
    assert names == ["deep/one.cfg", "slow.toml"]
    assert len(skipped) == 1 and "README" in skipped[0]


@pytest.mark.parametrize("name", [".", "missing"])
def test_a_folder_without_recordings_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TunerError, match=r"folder|no recording"):
        recordings_of(tmp_path / name, lambda why: None)


def test_a_family_that_was_trained_on_is_not_called_held_out() -> None:
    mine = Workload("days", "diurnal")
    sets = workload_file_sets([mine])
    assert sets[TRAINING] == (mine,)
    assert sets[HELD_OUT] == SETS[HELD_OUT][1:]
    assert list(workload_file_sets(SETS[HELD_OUT])) == [TRAINING]
