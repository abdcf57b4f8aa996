"""Writes what calibration found as a host profile; what it did not find comes from defaults."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from damon_tuner import _core, whole_file
from damon_tuner.envs.profile_file import DEFAULTS, Constant, Profile, find_profile
from damon_tuner.envs.toml_values import Range, bounds_of
from damon_tuner.errors import ProfileFileError
from damon_tuner.kernel_iface.calibrate import Calibration, Finding

_HEADER = """\
# A host profile, written by damon-tuner calibrate; docs/host-profiles.md explains it.
# origin: measured here, with the least and the most of the runs as spread; read from the kernel's
# files here; or a default, with the source of the default and why there is nothing better.
"""
_DIGITS = 6
_OWN_RANGE = "the simulator's own range"


def check_writable(path: Path) -> None:
    """Find out before measuring whether the profile can be written.

    Raises:
        ProfileFileError: it cannot.

    """
    try:
        whole_file.check_writable(path)
    except OSError as error:
        raise ProfileFileError(
            f"{path}: cannot be written ({error.strerror}): give another --out"
        ) from None


def write_profile(calibration: Calibration, path: Path, today: datetime.date) -> None:
    """Write ``path``, whole or not at all; raises ``OSError``."""
    text = profile_text(calibration, find_profile(DEFAULTS), today)
    whole_file.write_whole(path, text.encode())


def profile_text(calibration: Calibration, defaults: Profile, today: datetime.date) -> str:
    """A profile with every parameter that the simulator has, as TOML."""
    by_name = {finding.name: finding for finding in calibration.findings}
    known = bounds_of(_core.PROFILE)
    parts = [_HEADER, _line("summary", f"{calibration.host.get('cpu')}, calibrated")]
    parts.append(f"date = {today}\n\n[host]\n")
    parts += [_line(key, value) for key, value in calibration.host.items()]
    for name, low, high, *_ in _core.PROFILE:
        default = defaults.constants.get(name, Constant((low, high), source=_OWN_RANGE))
        parts += _table("profile", name, _entry(by_name.get(name), default, known[name]))
    for finding in calibration.findings:
        if finding.name not in known and finding.origin != "missing":
            parts += _table("measured", finding.name, _found(finding, {"unit": finding.unit}))
    return "".join(parts)


def not_used(calibration: Calibration) -> Iterator[tuple[str, str]]:
    """Parameters that keep their default, with the reason, as far as calibration knows one."""
    bounds = bounds_of(_core.PROFILE)
    for finding in calibration.findings:
        if finding.name in bounds:
            why = _why_not(finding, bounds[finding.name])
            if why:
                yield finding.name, why


def _entry(finding: Finding | None, default: Constant, bounds: Range) -> Mapping[str, object]:
    why = _why_not(finding, bounds) if finding else ""
    if finding and not why:
        return _found(finding, {})
    low, high = default.range
    entry: dict[str, object] = {"value": low} if low == high else {"range": [low, high]}
    entry["origin"] = "default"
    fields = (("source", default.source), ("date", default.date), ("evidence", default.evidence))
    entry |= {field: value for field, value in fields if value}
    return entry | ({"note": why} if why else {})


def _why_not(finding: Finding, bounds: Range) -> str:
    if finding.origin == "missing":
        return f"not measured: {finding.how}"
    low, high = finding.spread
    # A spread is there for people: only what the profile fixes has to fit.
    ends = (low, high) if _is_range(finding) else (finding.median, finding.median)
    if not all(math.isfinite(end) and bounds[0] <= end <= bounds[1] for end in ends):
        return f"found {finding.median:g}, which is outside [{bounds[0]:g}, {bounds[1]:g}]"
    return ""


def _is_range(finding: Finding) -> bool:
    return finding.origin == "read" and len(finding.values) > 1


def _found(finding: Finding, more: Mapping[str, object]) -> Mapping[str, object]:
    entry: dict[str, object] = {"value": finding.median}
    if _is_range(finding):
        entry = {"range": list(finding.spread)}
    elif len(finding.values) > 1:
        entry |= {"spread": list(finding.spread), "runs": len(finding.values)}
    return {**entry, **more, "origin": finding.origin, "source": finding.how}


def _table(section: str, name: str, fields: Mapping[str, object]) -> Iterable[str]:
    key = name if name.replace("_", "").isalnum() else _text(name)
    return [f"\n[{section}.{key}]\n", *(_line(field, value) for field, value in fields.items())]


def _line(key: str, value: object) -> str:
    return f"{key} = {_toml(value)}\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # A number such as 1e+06 is TOML as well; one without a point is a whole number.
        return f"{value:.{_DIGITS}g}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return _text(str(value))


def _text(value: str) -> str:
    """A TOML string, which escapes as JSON does once nothing unprintable is left."""
    return json.dumps("".join(c for c in value if c.isprintable()), ensure_ascii=False)
