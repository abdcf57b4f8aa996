"""Numbers as damo and people write them: "4,294,967,296", "31.340 MiB", "5 ms", "4 %"."""

from __future__ import annotations

import math
import re

from damon_tuner.errors import RecordingError

_NUMBER = re.compile(r"\s*([-+]?[0-9][0-9,]*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?)\s*(\S*)\s*")
_MAX_LETTERS = 64

BYTES = {
    "": 1.0,
    "B": 1.0,
    **{f"{prefix}iB": 1024.0**k for k, prefix in enumerate("KMGTP", 1)},
    **{prefix: 1024.0**k for k, prefix in enumerate("KMGTP", 1)},
}
MICROSECONDS = {"": 1.0, "us": 1.0, "ns": 1e-3, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9}
NANOSECONDS = {unit: scale * 1e3 for unit, scale in MICROSECONDS.items()} | {"": 1.0}
MILLISECONDS = {unit: scale * 1e-3 for unit, scale in MICROSECONDS.items()} | {"": 1.0}
COUNT = {"": 1.0}


def number(value: object, units: dict[str, float], what: str) -> float:
    """``value``, a number or the text of one, in the unit that has no name in ``units``.

    Raises:
        RecordingError: it is none, is negative, or has another unit; ``what`` names it.

    """
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value[:_MAX_LETTERS])
        if len(value) <= _MAX_LETTERS and found and found[2] in units:
            value = float(found[1].replace(",", "")) * units[found[2]]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64:
        value = float(value)
    if isinstance(value, float) and math.isfinite(value) and value >= 0.0:
        return value
    raise RecordingError(f"{what} is not a number that makes sense: {str(value)[:40]!r}")
