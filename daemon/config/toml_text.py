"""Strings and keys as TOML has them: what is written here, ``tomllib`` reads back the same."""

from __future__ import annotations

import re

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHORT = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t"}


def quoted(text: str) -> str:
    """A string on one line, in which only what can be printed is left as it is."""
    return f'"{"".join(map(_escaped, text))}"'


def key_text(key: str) -> str:
    """A key, in quotes where it needs them."""
    return key if _BARE_KEY.fullmatch(key) else quoted(key)


def _escaped(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"
