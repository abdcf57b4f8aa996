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
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from damon_tuner import _core
from damon_tuner.envs.profile_file import Profile, find_profile
from damon_tuner.envs.toml_values import (
    Param,
    Range,
    bounds_of,
    check_keys,
    nearest,
    one_line,
    range_of,
)
from damon_tuner.errors import WorkloadFileError

_BUNDLED = Path(__file__).parent / "workloads"
TRAINING_FAMILIES = ("kv", "scan", "phases", "growth", "idle")
HELD_OUT_FAMILIES = ("diurnal",)
# Neither trained on nor scored; there for who names them.
FURTHER_FAMILIES = ("ml_epochs", "build_farm", "graph", "oltp", "inference", "idle_vm")


@dataclass(frozen=True, slots=True)
class Workload:
    """A distribution over simulated hosts: a family and the ranges that differ from its own."""

    name: str
    family: str
    workload: Mapping[str, Range] = field(default_factory=dict)
    profile: Mapping[str, Range] = field(default_factory=dict)

    def spec(self) -> _core.Spec:
        """What the simulator draws episodes from."""
        return _core.Spec(self.family, dict(self.workload), dict(self.profile))

    def on(self, profile: Profile) -> Workload:
        """The same load on the hosts of ``profile``; what the workload itself says stays."""
        return replace(self, profile={**profile.ranges, **self.profile})


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
    except (OSError, ValueError, RecursionError) as error:
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


def _parse(name: str, table: Mapping[str, Any], folder: Path) -> Workload:
    check_keys(table, ("family", "workload", "profile"), "key")
    family = table.get("family")
    if not isinstance(family, str) or family not in _core.FAMILIES:
        raise ValueError(f"unknown family {family!r}{nearest(family, _core.FAMILIES)}")
    return Workload(
        name=name,
        family=family,
        workload=_ranges(table.get("workload", {}), _core.FAMILIES[family], "workload"),
        profile=_profile(table.get("profile", {}), folder),
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


def _ranges(table: Any, params: Iterable[Param], section: str) -> dict[str, Range]:
    if not isinstance(table, dict):
        raise ValueError(f"[{section}] must be a table")
    bounds = bounds_of(params)
    check_keys(table, bounds, f"key in [{section}]")
    return {key: range_of(key, value, bounds[key]) for key, value in table.items()}
