"""Workload files: which family, and from which ranges an episode's load and host are drawn.

A file is TOML::

    family = "kv"

    [workload]                      # what is not named keeps the family's range
    footprint_bytes = [1.0e9, 8.0e9]
    skew = 1.2                      # a single number fixes the parameter

    [profile]
    swap_in_us = [50, 80]
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from damon_tuner import _core
from damon_tuner.errors import WorkloadFileError

Range = tuple[float, float]

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


def load_workload(path: Path) -> Workload:
    """Read a workload file.

    Raises:
        WorkloadFileError: the file cannot be read, a key is unknown (the nearest known one is
            named), or a value is not within the parameter's bounds.

    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WorkloadFileError(f"{path}: {error}") from None
    try:
        return _parse(path.stem, table)
    except WorkloadFileError as error:
        raise WorkloadFileError(f"{path}: {error}") from None


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
        raise WorkloadFileError(f"no workload is called {name!r}{_nearest(name, known)}")
    return load_workload(path)


def training_workloads() -> tuple[Workload, ...]:
    """The families that policies are trained on."""
    return tuple(bundled_workload(name) for name in TRAINING_FAMILIES)


def _parse(name: str, table: Mapping[str, Any]) -> Workload:
    _check_keys(table, ("family", "workload", "profile"), "key")
    family = table.get("family")
    if family not in _core.FAMILIES:
        raise WorkloadFileError(f"unknown family {family!r}{_nearest(family, _core.FAMILIES)}")
    return Workload(
        name=name,
        family=family,
        workload=_ranges(table.get("workload", {}), _core.FAMILIES[family], "workload"),
        profile=_ranges(table.get("profile", {}), _core.PROFILE, "profile"),
    )


def _ranges(
    table: Any, params: Iterable[tuple[str, float, float, float, float, bool]], section: str
) -> dict[str, Range]:
    if not isinstance(table, dict):
        raise WorkloadFileError(f"[{section}] must be a table")
    bounds = {name: (least, most) for name, _, _, least, most, _ in params}
    _check_keys(table, bounds, f"key in [{section}]")
    return {key: _range(key, value, bounds[key]) for key, value in table.items()}


def _range(key: str, value: Any, bounds: Range) -> Range:
    ends = value if isinstance(value, list) else [value, value]
    if len(ends) != 2 or any(isinstance(x, bool) or not isinstance(x, int | float) for x in ends):
        raise WorkloadFileError(f"{key} must be a number or [low, high], not {value!r}")
    low, high = map(float, ends)
    if not bounds[0] <= low <= high <= bounds[1]:
        raise WorkloadFileError(
            f"{key} = {value!r} must rise and lie within [{bounds[0]:g}, {bounds[1]:g}]"
        )
    return low, high


def _check_keys(table: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    known = list(known)
    for key in table:
        if key not in known:
            raise WorkloadFileError(f"unknown {what}: {key!r}{_nearest(key, known)}")


def _nearest(name: object, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
