"""Checks of what a TOML file says; each message names what is wrong and the nearest right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from damon_tuner.near import nearest

Range = tuple[float, float]
Param = tuple[str, float, float, float, float, bool]


def check_keys(table: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    """Raise ``ValueError`` for a key that is not ``known``."""
    known = list(known)
    for key in table:
        if key not in known:
            raise ValueError(f"unknown {what}: {key!r}{nearest(key, known)}")


def range_of(key: str, value: object, bounds: Range) -> Range:
    """Return a number, or ``[low, high]``, as a range within ``bounds``; raises ``ValueError``."""
    ends = value if isinstance(value, list) else [value, value]
    if len(ends) != 2 or any(isinstance(x, bool) or not isinstance(x, int | float) for x in ends):
        raise ValueError(f"{key} must be a number or [low, high], not {value!r}")
    try:
        low, high = map(float, ends)
    except OverflowError:
        low, high = float("inf"), float("inf")
    if not bounds[0] <= low <= high <= bounds[1]:
        raise ValueError(
            f"{key} = {value!r} must rise and lie within [{bounds[0]:g}, {bounds[1]:g}]"
        )
    return low, high


def bounds_of(params: Iterable[Param]) -> dict[str, Range]:
    """What may be asked for at all, by parameter."""
    return {name: (least, most) for name, _, _, least, most, _ in params}
