"""What policies are scored on: frozen sets of workloads, with a version.

A result is worth something only as long as what it was measured on stands still. So the sets have
a version, which every result carries, and a digest for each version: a test fails where the sets
have changed and the version has not. Digests cover what the simulator draws from, its own ranges
included, and the seeds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from damon_tuner import _core
from damon_tuner.benchmarks.fidelity.golden import PATTERNS, golden
from damon_tuner.envs.profile_file import load_profile
from damon_tuner.envs.recorded.damon import DamonSnapshot, record_snapshots, snapshot_of
from damon_tuner.envs.recorded.formats import load_recording
from damon_tuner.envs.toml_values import Param
from damon_tuner.envs.workload_file import (
    HELD_OUT_FAMILIES,
    Workload,
    bundled_workload,
    load_workload,
    recorded_workload,
    training_workloads,
)
from damon_tuner.errors import RecordingError, TunerError
from damon_tuner.training.evaluate import episode_seed

WorkloadSets = Mapping[str, Sequence[Workload]]

TRAINING = "training"
"""The families that are trained on; their episodes come from other seeds than training's."""
HELD_OUT = "held_out_families"
"""Families that nothing is trained or tuned on."""
HOSTS = "held_out_hosts"
"""The families that are trained on, on hosts outside of the ranges of training."""
RECORDINGS = "recordings"
"""What real DAMON has recorded of real processes."""
SET_NAMES = (TRAINING, HELD_OUT, HOSTS, RECORDINGS)

FROZEN: Mapping[int, str] = {1: "1807e94ce5ad241e"}
"""The digest of each version of the sets. A change takes a new version: results of two versions
are not comparable, and their numbers never mix."""
SETS_VERSION = max(FROZEN)

HELD_OUT_HOSTS = ("shared_disk", "busy_zram", "fast_swap")
_HOSTS = Path(__file__).parent / "held_out_hosts"
_OPERATIONS, _RUN = "vaddr", 1


def evaluation_sets(names: Iterable[str] = SET_NAMES) -> dict[str, tuple[Workload, ...]]:
    """The frozen sets of these names."""
    makers: Mapping[str, Callable[[], tuple[Workload, ...]]] = {
        TRAINING: training_workloads,
        HELD_OUT: lambda: tuple(bundled_workload(name) for name in HELD_OUT_FAMILIES),
        HOSTS: _on_held_out_hosts,
        RECORDINGS: _golden_recordings,
    }
    return {name: makers[name]() for name in names}


def workload_file_sets(trained_on: Sequence[Workload]) -> dict[str, tuple[Workload, ...]]:
    """The first two sets for a policy that was trained on workload files."""
    families = {workload.family for workload in trained_on}
    held_out = tuple(w for w in evaluation_sets([HELD_OUT])[HELD_OUT] if w.family not in families)
    sets = {TRAINING: tuple(trained_on)}
    return {**sets, HELD_OUT: held_out} if held_out else sets


def recordings_of(folder: Path, on_skipped: Callable[[str], object]) -> tuple[Workload, ...]:
    """The recordings in a folder and below, and its workload files (.toml), by name.

    ``on_skipped`` is told why a file is not one.

    Raises:
        TunerError: there is none, or a workload file is wrong.

    """
    if not folder.is_dir():
        raise TunerError(f"{folder} is no folder: give one that holds recordings")
    workloads = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        try:
            if path.suffix == ".toml":
                workloads.append(replace(load_workload(path), name=name))
            else:
                workloads.append(recorded_workload(name, load_recording(path)))
        except RecordingError as error:
            on_skipped(str(error))
    if not workloads:
        raise TunerError(f"{folder} holds no recording that can be read: see damon-tuner workload")
    return tuple(workloads)


def family_of(workload: Workload) -> str:
    """What a workload is grouped by; every recording is a family of its own."""
    return workload.name if workload.recording is not None else workload.family


def workload_digest(workload: Workload) -> str:
    """A checksum of all that episodes are drawn from, 16 hexadecimal digits.

    Two workloads with the same one have the same episodes for the same seeds.
    """
    own = _core.RECORDED if workload.recording else _core.FAMILIES[workload.family]
    definition: dict[str, object] = {
        "family": workload.family,
        "workload": _resolved(own, workload.workload),
        "profile": _resolved(_core.PROFILE, workload.profile),
    }
    if workload.recording is not None:
        definition["rows"] = hashlib.sha256(workload.recording.rows.tobytes()).hexdigest()
    return _digest(definition)


def sets_digest(sets: WorkloadSets) -> str:
    """A checksum of sets, with names and seeds."""
    about = {
        name: [(workload.name, workload_digest(workload)) for workload in workloads]
        for name, workloads in sets.items()
    }
    return _digest({"sets": about, "seeds": [episode_seed(0), episode_seed(1)]})


def _on_held_out_hosts() -> tuple[Workload, ...]:
    profiles = [load_profile(_HOSTS / f"{name}.toml") for name in HELD_OUT_HOSTS]
    return tuple(
        replace(workload.on(profile), name=f"{workload.name} on {profile.name}")
        for profile in profiles
        for workload in training_workloads()
    )


def _golden_recordings() -> tuple[Workload, ...]:
    return tuple(_golden_workload(pattern) for pattern in PATTERNS)


def _golden_workload(pattern: str) -> Workload:
    """One pattern as the kernel's DAMON saw it, over and over."""
    recording = golden(pattern, _OPERATIONS, _RUN)
    about = recording.about
    snapshots: list[DamonSnapshot] = []
    for at_s, seen in zip(recording.time_s[recording.kept], recording.regions, strict=True):
        inside = seen.within(*recording.memory)
        rows = zip(
            inside.start.tolist(), inside.end.tolist(), inside.nr_accesses.tolist(), strict=True
        )
        snapshots.append(snapshot_of(0, float(at_s), rows))
    played = record_snapshots("damon", snapshots, about["sample_us"], about["aggr_us"])
    return recorded_workload(pattern, played)


def _resolved(params: Iterable[Param], ranges: Mapping[str, Sequence[float]]) -> dict[str, object]:
    return {
        name: [*map(float, ranges.get(name, (low, high))), log]
        for name, low, high, _least, _most, log in params
    }


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
