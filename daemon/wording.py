"""Numbers and names as people read them, in ASCII."""

from __future__ import annotations

import math

NOTHING = "-"
"""Where there is no number now."""

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def printable(text: str) -> str:
    """Return one line of ASCII: names may hold anything, and a terminal must not obey it."""
    return "".join(
        c if c.isprintable() and c.isascii() else ascii(c)[1:-1] for c in " ".join(text.split())
    )


def shortened(text: str, width: int) -> str:
    """Return at most ``width`` characters, with a tilde where there were more."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "~"[:width]


def size(value_bytes: float | None) -> str:
    """Return bytes as 640 MiB or 1.5 GiB."""
    if value_bytes is None or not math.isfinite(value_bytes):
        return NOTHING
    power = 0
    while abs(value_bytes) >= 1000.0 and power < len(_SIZES) - 1:
        value_bytes /= 1024.0
        power += 1
    digits = 1 if power and abs(value_bytes) < 99.95 else 0
    return f"{value_bytes:.{digits}f} {_SIZES[power]}"


def percent(share: float | None) -> str:
    """Return a share as 1.2% or 34%."""
    if share is None or not math.isfinite(share):
        return NOTHING
    return f"{share:.{1 if abs(share) < 0.0995 else 0}%}"


def span(seconds: float | None) -> str:
    """Return a time as 4.5 s, 3 min 20 s or 1 d 2 h."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if abs(seconds) < 60.0:
        return f"{seconds:.3g} s"
    left, parts = round(seconds), list[str]()
    for length_s, unit in _SPANS:
        count, left = divmod(left, length_s)
        parts.append(f"{count} {unit}" if count else "")
    first = next(index for index, part in enumerate(parts) if part)
    return " ".join(part for part in parts[first : first + 2] if part)


def knob(name: str, value: float | None) -> str:
    """Return a knob's value with the unit that its name ends in."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if name.endswith("_bytes_per_s"):
        return f"{size(value)}/s"
    if name.endswith("_bytes"):
        return size(value)
    return span(value) if name.endswith("_s") else f"{value:g}"


def knob_title(name: str) -> str:
    """Return a knob's name in words, without its unit."""
    for unit in ("_bytes_per_s", "_bytes", "_s"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")
