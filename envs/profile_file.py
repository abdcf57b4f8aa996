"""Host profiles: the constants of simulated hosts, each with where it comes from.

A file is TOML::

    summary = "NVMe swap without compression"
    date = 2026-11-23

    [profile]
    pool_share = 0                      # a number fixes the parameter,
    swap_in_us = [25, 100]              # a range is drawn from anew for every episode

    [profile.slow_ns]                   # with where it comes from
    range = [140, 410]
    source = "Melody (ASPLOS 2025)"
    date = 2025
    evidence = "abstract"

What is not named keeps the simulator's own range. ``[host]`` and ``[measured]``, which
``damon-tuner calibrate`` writes, inform people and are read over.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from damon_tuner import _core
from damon_tuner.envs.toml_values import Range, bounds_of, check_keys, range_of
from damon_tuner.errors import ProfileFileError
from damon_tuner.near import nearest, one_line

BUNDLED = Path(__file__).parent / "profiles"
DEFAULTS = "defaults"
"""The bundled profile that says where the simulator's own ranges come from."""
ORIGINS = ("measured", "read", "default", "cited")
EVIDENCE = ("repository", "mail", "abstract", "computed", "assumed")
"""Read in source code or a table beside it; in a mail to a kernel list; in an abstract or on a
page; computed from cited numbers; nobody's number, but a guess that sweeps a range."""

_TOP = ("summary", "date", "host", "measured", "profile")
_VALUES = ("value", "range")
_WORDS = ("source", "note")
_FIELDS = (*_VALUES, *_WORDS, "date", "origin", "evidence", "spread", "runs")


@dataclass(frozen=True, slots=True)
class Constant:
    """The range of one parameter, and where it comes from; what is not said is empty."""

    range: Range
    origin: str = ""
    source: str = ""
    date: str = ""
    evidence: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A host, or a kind of host: the parameters that differ from the simulator's own ranges."""

    name: str
    summary: str
    date: str
    constants: Mapping[str, Constant]

    @property
    def ranges(self) -> dict[str, Range]:
        """What a simulated host's parameters are drawn from."""
        return {name: constant.range for name, constant in self.constants.items()}


def load_profile(path: Path) -> Profile:
    """Read a profile file.

    Raises:
        ProfileFileError: the file cannot be read, a key is unknown (the nearest known one is
            named), or a value is not within the parameter's bounds.

    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return _parse(path.stem, table)
    except (OSError, ValueError, RecursionError) as error:
        # Bytes that are no text, and text that is no TOML, are values errors too.
        raise ProfileFileError(f"{path}: {one_line(error)}") from None


def bundled_profiles() -> tuple[str, ...]:
    """Names of the profiles that come with the project."""
    return tuple(sorted(file.stem for file in BUNDLED.glob("*.toml")))


def find_profile(name: str, folder: Path | None = None) -> Profile:
    """Read a bundled profile by its name, or a file: what ends in .toml or has a slash.

    A relative path starts at ``folder``, or the current one. Raises as :func:`load_profile`.
    """
    if "/" in name or name.endswith(".toml"):
        return load_profile((folder or Path()) / name)
    known = bundled_profiles()
    if name not in known:
        raise ProfileFileError(
            f"no profile is called {name!r}{nearest(name, known)}, or a path that ends in .toml"
        )
    return load_profile(BUNDLED / f"{name}.toml")


def _parse(name: str, table: Mapping[str, Any]) -> Profile:
    check_keys(table, _TOP, "key")
    entries = _table(table, "profile")
    for section in ("host", "measured"):
        _table(table, section)
    bounds = bounds_of(_core.PROFILE)
    check_keys(entries, bounds, "key in [profile]")
    return Profile(
        name=name,
        summary=_words(table, "summary", "the file"),
        date=_date(table, "the file"),
        constants={key: _constant(key, value, bounds[key]) for key, value in entries.items()},
    )


def _constant(key: str, entry: object, bounds: Range) -> Constant:
    if not isinstance(entry, dict):
        return Constant(range_of(key, entry, bounds))
    check_keys(entry, _FIELDS, f"key in [profile.{key}]")
    given = [field for field in _VALUES if field in entry]
    if len(given) != 1:
        raise ValueError(f"[profile.{key}] needs either value or range")
    source, note = (_words(entry, field, key) for field in _WORDS)
    return Constant(
        range=range_of(key, entry[given[0]], bounds),
        origin=_choice(entry, "origin", ORIGINS, key),
        source=source,
        date=_date(entry, key),
        evidence=_choice(entry, "evidence", EVIDENCE, key),
        note=note,
    )


def _table(table: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    value = table.get(section, {})
    if not isinstance(value, dict):
        raise ValueError(f"[{section}] must be a table")
    return value


def _words(table: Mapping[str, Any], field: str, where: str) -> str:
    value = table.get(field, "")
    if not isinstance(value, str):
        raise ValueError(f"{field} of {where} must be text, not {value!r}")
    return value


def _date(table: Mapping[str, Any], where: str) -> str:
    value = table.get("date", "")
    if isinstance(value, bool) or not isinstance(value, str | int | datetime.date):
        raise ValueError(f"date of {where} must be a date such as 2026-11-23, not {value!r}")
    return str(value)


def _choice(table: Mapping[str, Any], field: str, known: tuple[str, ...], where: str) -> str:
    value = table.get(field, "")
    if (value and value not in known) or not isinstance(value, str):
        raise ValueError(f"{field} of {where} cannot be {value!r}{nearest(value, known)}")
    return value
