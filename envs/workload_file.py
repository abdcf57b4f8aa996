"""Workload files: which family, and from which ranges an episode's load and host are drawn.

A file is TOML::

    family = "kv"

    [workload]                      # what is not named keeps the family's range
    footprint_bytes = [1.0e9, 8.0e9]
    skew = 1.2                      # a single number fixes the parameter

    [profile]
    base = "nvme_swap"              # a host profile: a bundled name, or a path that ends in .toml
    swap_in_us = [50, 80]           # comes before what the base says

``profile = "nvme_swap"`` is short for a base and nothing else.

or plays a recording, whose length and footprint are its own where they are not named::

    recording = "my.data"           # beside this file
    format = "damo"                 # found out where it is not named

    [workload]
    speed = [0.5, 2]
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from damon_tuner import _core
from damon_tuner.envs.profile_file import Profile, find_profile
from damon_tuner.envs.recorded.formats import FORMATS, OPTIONS, load_recording
from damon_tuner.envs.recorded.recording import Recording
from damon_tuner.envs.toml_values import Param, Range, bounds_of, check_keys, range_of
from damon_tuner.errors import RecordingError, WorkloadFileError
from damon_tuner.near import nearest, one_line

_BUNDLED = Path(__file__).parent / "workloads"
TRAINING_FAMILIES = ("kv", "scan", "phases", "growth", "idle", "ml_epochs", "build_farm")
HELD_OUT_FAMILIES = ("diurnal", "graph", "oltp", "inference", "idle_vm")
"""Never trained on, never tuned on: they tell whether what was learned holds elsewhere."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A distribution over simulated hosts: a family and the ranges that differ from its own."""

    name: str
    family: str
    workload: Mapping[str, Range] = field(default_factory=dict)
    profile: Mapping[str, Range] = field(default_factory=dict)
    recording: Recording | None = None

    def spec(self) -> _core.Spec:
        """What the simulator draws episodes from."""
        program = self.recording.rows if self.recording else None
        return _core.Spec(self.family, dict(self.workload), dict(self.profile), program)

    def on(self, profile: Profile) -> Workload:
        """The same load on the hosts of ``profile``; what the workload itself says stays."""
        return replace(self, profile={**profile.ranges, **self.profile})


def recorded_workload(
    name: str,
    recording: Recording,
    workload: Mapping[str, Range] | None = None,
    profile: Mapping[str, Range] | None = None,
) -> Workload:
    """A recording as a workload, in its own size and over and over where nothing else is said.

    Raises:
        ValueError: ``loop_s`` would cut off the end of the recording.

    """
    own = {
        "footprint_bytes": (float(recording.footprint_bytes),) * 2,
        "loop_s": (recording.loop_s,) * 2,
    }
    ranges: dict[str, Range] = {**own, **(workload or {})}
    last_s = float(recording.rows[-1, 0])
    if ranges["loop_s"][1] > 0.0 and ranges["loop_s"][0] <= last_s:
        raise ValueError(f"loop_s must be 0, or above the {last_s:g} s of the recording")
    return Workload(name, "recorded", ranges, profile or {}, recording)


def load_workload(path: Path) -> Workload:
    """Read a workload file.

    Raises:
        WorkloadFileError: the file cannot be read, a key is unknown (the nearest known one is
            named), or a value is not within the parameter's bounds.
        ProfileFileError: the same of the host profile that it names.

    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return _parse(path.stem, table, path.parent)
    except (OSError, ValueError, RecursionError, RecordingError) as error:
        # Bytes that are no text, and text that is no TOML, are values errors too.
        raise WorkloadFileError(f"{path}: {one_line(error)}") from None


def load_workloads(paths: Sequence[Path]) -> tuple[Workload, ...]:
    """Read workload files, which need different names; raises as ``load_workload``."""
    workloads = tuple(load_workload(path) for path in paths)
    names = [workload.name for workload in workloads]
    for name in names:
        if names.count(name) > 1:
            raise WorkloadFileError(f"two workload files are called {name}: rename one")
    return workloads


def bundled_workload(name: str) -> Workload:
    """A workload that comes with the project; its name is its family's."""
    path = _BUNDLED / f"{name}.toml"
    if not path.is_file():
        known = sorted(file.stem for file in _BUNDLED.glob("*.toml"))
        raise WorkloadFileError(f"no workload is called {name!r}{nearest(name, known)}")
    return load_workload(path)


def training_workloads() -> tuple[Workload, ...]:
    """The families that policies are trained on."""
    return tuple(bundled_workload(name) for name in TRAINING_FAMILIES)


_RECORDING_KEYS = ("recording", "format", *OPTIONS)


def _parse(name: str, table: Mapping[str, Any], folder: Path) -> Workload:
    check_keys(table, ("family", "workload", "profile", *_RECORDING_KEYS), "key")
    profile = _profile(table.get("profile", {}), folder)
    if "recording" in table:
        ranges = _ranges(table.get("workload", {}), _core.RECORDED, "workload")
        return recorded_workload(name, _recording(table, folder), ranges, profile)
    for key in _RECORDING_KEYS:
        if key in table:
            raise ValueError(f"{key} is for a recording: name its file with recording = ...")
    family = table.get("family")
    if family == "recorded":
        raise ValueError('the family "recorded" needs a file: recording = ...')
    if not isinstance(family, str) or family not in _core.FAMILIES:
        raise ValueError(f"unknown family {family!r}{nearest(family, _core.FAMILIES)}")
    return Workload(
        name=name,
        family=family,
        workload=_ranges(table.get("workload", {}), _core.FAMILIES[family], "workload"),
        profile=profile,
    )


def _profile(table: Any, folder: Path) -> dict[str, Range]:
    """The host, whose base is found from the workload file's folder."""
    own = {"base": table} if isinstance(table, str) else table
    if not isinstance(own, dict) or "base" not in own:
        return _ranges(own, _core.PROFILE, "profile")
    base = own["base"]
    if not isinstance(base, str):
        raise ValueError(f"base must be a profile's name or path, not {base!r}")
    own = {key: value for key, value in own.items() if key != "base"}
    return find_profile(base, folder).ranges | _ranges(own, _core.PROFILE, "profile")


def _recording(table: Mapping[str, Any], folder: Path) -> Recording:
    if table.get("family", "recorded") != "recorded":
        raise ValueError("a recording needs no family: leave it out")
    file, format = table["recording"], table.get("format")
    if not isinstance(file, str) or not file or "\0" in file:
        raise ValueError("recording must be the name of a file or folder")
    if format is not None and (not isinstance(format, str) or format not in FORMATS):
        raise ValueError(f"unknown format {format!r}{nearest(format, FORMATS)}")
    options = {key: _option(key, table[key]) for key in OPTIONS if key in table}
    return load_recording(folder / file, format, options)


def _option(key: str, value: object) -> float | str:
    bounds = OPTIONS[key]
    if bounds is None:
        if not isinstance(value, str):
            raise ValueError(f"{key} must be a text, not {value!r}")
        return value
    if isinstance(value, list):
        raise ValueError(f"{key} must be a number, not a range")
    return range_of(key, value, bounds)[0]


def _ranges(table: Any, params: Iterable[Param], section: str) -> dict[str, Range]:
    if not isinstance(table, dict):
        raise ValueError(f"[{section}] must be a table")
    bounds = bounds_of(params)
    check_keys(table, bounds, f"key in [{section}]")
    return {key: range_of(key, value, bounds[key]) for key, value in table.items()}
