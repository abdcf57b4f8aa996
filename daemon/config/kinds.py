"""The kinds of values that keys have, besides quantities: how each is read, and written again.

``read`` raises ``ValueError`` with what is wrong and what to write.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from damon_tuner.daemon.config.toml_text import quoted
from damon_tuner.daemon.config.words import is_number, shown
from damon_tuner.near import nearest

_MOST_PATH_BYTES = 4095
_MOST_CGROUP_BYTES = 1024
_MOST_ARGUMENTS = 64
_MOST_ARGUMENT_BYTES = 4096


class Kind(Protocol):
    """A kind of values."""

    def read(self, value: object) -> Any:
        """What a value of the file means."""

    def write(self, value: Any) -> str:
        """TOML that ``read`` reads back to the same."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One word out of a few."""

    words: Sequence[str]

    def read(self, value: object) -> str:
        """The word."""
        if not isinstance(value, str):
            raise ValueError(f"{shown(value)} is not a word; write one of {self._known()}")
        if value not in self.words:
            raise ValueError(f"{shown(value)} is not known{nearest(value[:64], self.words)}")
        return value

    def write(self, value: str) -> str:
        """The word in quotes."""
        return quoted(value)

    def _known(self) -> str:
        return ", ".join(map(quoted, self.words))


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number without a unit."""

    low: int
    high: int

    def read(self, value: object) -> int:
        """The number."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{shown(value)} is not a whole number; write {self._range()}")
        if not self.low <= value <= self.high:
            raise ValueError(f"{shown(value)} is out of range; write {self._range()}")
        return value

    def write(self, value: int) -> str:
        """Digits."""
        return str(value)

    def _range(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number without a unit, whole or not."""

    low: float
    high: float

    def read(self, value: object) -> float:
        """The number."""
        if not is_number(value):
            raise ValueError(f"{shown(value)} is not a number; write {self._range()}")
        # compared before it is a float, which the largest integers cannot be; NaN is nowhere
        if not self.low <= value <= self.high:
            raise ValueError(f"{shown(value)} is out of range; write {self._range()}")
        return float(value)

    def write(self, value: float) -> str:
        """As Python writes it, which TOML reads."""
        return repr(value)

    def _range(self) -> str:
        return "a finite number" if self.high > 1e100 else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class AbsolutePath:
    """A file or a folder, named from the root."""

    most_bytes: int = _MOST_PATH_BYTES

    def read(self, value: object) -> Path:
        """The path; whether anything is there is not asked."""
        if not isinstance(value, str) or not value.startswith("/"):
            raise ValueError(f'{shown(value)} is not an absolute path; write one from "/" on')
        _check_printable(value, self.most_bytes)
        return Path(value)

    def write(self, value: Path) -> str:
        """The path in quotes."""
        return quoted(str(value))


@dataclass(frozen=True, slots=True)
class FolderOrNone:
    """A folder, or the word that there is to be none."""

    def read(self, value: object) -> Path | None:
        """The path, or None."""
        return None if value == "none" else AbsolutePath().read(value)

    def write(self, value: Path | None) -> str:
        """The path in quotes, or the word."""
        return quoted("none" if value is None else str(value))


@dataclass(frozen=True, slots=True)
class CgroupPath:
    """A control group below the mount of cgroup v2; may be a glob pattern."""

    def read(self, value: object) -> str:
        """The path."""
        example = 'write its path below the mount of cgroup v2, such as "system.slice/db.service"'
        if not isinstance(value, str) or value.startswith("/"):
            raise ValueError(
                f"{shown(value)} is not the relative path of a control group; {example}"
            )
        _check_printable(value, _MOST_CGROUP_BYTES)
        if any(part in ("", ".", "..") for part in value.split("/")):
            raise ValueError(f'{shown(value)} has a part that is empty, "." or ".."; {example}')
        return value

    def write(self, value: str) -> str:
        """The path in quotes."""
        return quoted(value)


@dataclass(frozen=True, slots=True)
class UnitName:
    """A unit of systemd with processes of its own; may be a glob pattern."""

    def read(self, value: object) -> str:
        """The name."""
        if not isinstance(value, str) or not _UNIT.fullmatch(value):
            raise ValueError(
                f"{shown(value)} is not the name of a service or scope; write one such as "
                '"redis.service" or "redis@*.service"; a slice is set by cgroup = "..."'
            )
        return value

    def write(self, value: str) -> str:
        """The name in quotes."""
        return quoted(value)


_UNIT = re.compile(r"[A-Za-z0-9:_.\\@*?\[\]!-]{1,200}\.(?:service|scope)")


@dataclass(frozen=True, slots=True)
class Several:
    """An array of ``least`` to ``most`` different values of one kind."""

    kind: Kind
    least: int
    most: int
    example: str

    def read(self, value: object) -> tuple[Any, ...]:
        """The values in their order."""
        if not isinstance(value, list):
            raise ValueError(f"{shown(value)} is not an array; write one such as {self.example}")
        if not self.least <= len(value) <= self.most:
            raise ValueError(f"has {len(value)} values; write {self.least} to {self.most}")
        values = tuple(map(self.kind.read, value))
        for i, one in enumerate(values):
            if one in values[:i]:
                raise ValueError(f"{shown(one)} is there twice; leave one out")
        return values

    def write(self, value: Sequence[Any]) -> str:
        """An array on one line."""
        return f"[{', '.join(map(self.kind.write, value))}]"


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments, which no shell sees."""

    def read(self, value: object) -> tuple[str, ...]:
        """The program's path and the arguments."""
        example = 'write an array such as ["/usr/local/bin/score", "--of", "db"]'
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise ValueError(f"{shown(value)} is not an array of strings; {example}")
        if not 1 <= len(value) <= _MOST_ARGUMENTS:
            raise ValueError(f"has {len(value)} parts; write 1 to {_MOST_ARGUMENTS}")
        AbsolutePath().read(value[0])
        for argument in value[1:]:
            if "\0" in argument or len(argument.encode()) > _MOST_ARGUMENT_BYTES:
                raise ValueError(
                    f"the argument {shown(argument)} holds a NUL or is longer than "
                    f"{_MOST_ARGUMENT_BYTES} bytes; shorten it"
                )
        return tuple(value)

    def write(self, value: Sequence[str]) -> str:
        """An array on one line."""
        return f"[{', '.join(map(quoted, value))}]"


def _check_printable(text: str, most_bytes: int) -> None:
    if not text.isprintable():
        raise ValueError(f"{shown(text)} holds a character that cannot be printed; leave it out")
    if len(text.encode()) > most_bytes:
        raise ValueError(f"{shown(text)} is longer than {most_bytes} bytes; write a shorter one")
