"""How messages show what somebody wrote: briefly, and on one line."""

from __future__ import annotations

from typing import TypeGuard

from damon_tuner.daemon.config.toml_text import quoted

_MOST_SHOWN = 48
_MOST_SHOWN_NUMBER = 1 << 64


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether TOML calls it an integer or a float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(value: object) -> str:
    """A value as in the file, or what kind of value it is."""
    match value:
        case str():
            return quoted(shortened(value))
        case bool():
            return "true" if value else "false"
        case int() if abs(value) >= _MOST_SHOWN_NUMBER:
            return "a huge number"
        case int() | float():
            return repr(value)
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def shortened(text: str) -> str:
    """``text`` if it is short, else its beginning."""
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def printable(text: str) -> str:
    """``text`` with whatever cannot be printed escaped; a file's name may hold anything."""
    return "".join(c if c.isprintable() else quoted(c)[1:-1] for c in text)
