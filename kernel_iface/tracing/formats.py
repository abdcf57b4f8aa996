"""Where the fields of a trace event and of a ring buffer's page lie, as the kernel describes it.

The kernel states both in text, in ``events/<system>/<event>/format`` and ``events/header_page``,
because both change from one kernel to the next.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from damon_tuner.errors import DamonMissingError

_FIELD = re.compile(
    r"field:(?P<declaration>[^;]+);\s*offset:(?P<offset>\d+);\s*size:(?P<size>\d+);"
    r"\s*signed:(?P<signed>[01]);"
)
_ID = re.compile(r"^ID:\s*(\d+)", re.MULTILINE)
_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}


@dataclass(frozen=True, slots=True)
class Field:
    """One number of an event, ``offset`` bytes into its payload."""

    offset: int
    size: int
    is_signed: bool

    @property
    def code(self) -> str:
        """Its letter in a ``struct`` format."""
        letter = _CODES[self.size]
        return letter if self.is_signed else letter.upper()


@dataclass(frozen=True, slots=True)
class EventFormat:
    """One trace event: the number that marks its records, and its fields by name."""

    event_id: int
    fields: dict[str, Field]

    @classmethod
    def parse(cls, text: str) -> EventFormat:
        """Read an event's ``format`` file; raises ``DamonMissingError`` for any other text."""
        number = _ID.search(text)
        fields = _fields(text)
        if number is None or "common_type" not in fields:
            raise DamonMissingError(
                "this kernel describes its trace events in another way: read DAMON through sysfs"
            )
        return cls(int(number[1]), fields)

    def decoder(self, names: Sequence[str], tail: str = "") -> struct.Struct:
        """Return what unpacks ``names``, in the order of their offsets, from a payload.

        ``tail`` is what follows the last of them, as ``struct`` writes it.

        Raises:
            DamonMissingError: this kernel's event lacks a field; names it.

        """
        missing = [name for name in names if name not in self.fields]
        if missing:
            raise DamonMissingError(
                f"this kernel's trace event has no field {missing[0]}: use Linux 5.15 or newer"
            )
        wanted = [self.fields[name] for name in names]
        if any(left.offset >= right.offset for left, right in pairwise(wanted)):
            raise ValueError("names must be in the order of their offsets")
        code, at = "=", 0
        for field in wanted:
            code += f"{field.offset - at}x{field.code}"
            at = field.offset + field.size
        return struct.Struct(code + tail)


@dataclass(frozen=True, slots=True)
class PageLayout:
    """One page of a ring buffer: a time, how much was committed, and then events."""

    commit_offset: int
    commit_size: int
    data_offset: int
    page_bytes: int

    @classmethod
    def parse(cls, text: str) -> PageLayout:
        """Read ``events/header_page``; raises ``DamonMissingError`` for any other text."""
        fields = _fields(text)
        if not {"timestamp", "commit", "data"} <= fields.keys():
            raise DamonMissingError(
                "this kernel's trace buffers are laid out in another way: read DAMON through sysfs"
            )
        commit, data = fields["commit"], fields["data"]
        return cls(commit.offset, commit.size, data.offset, data.offset + data.size)


def _fields(text: str) -> dict[str, Field]:
    """Fields by name; the length of an array and the words of a type are dropped."""
    found = {}
    for match in _FIELD.finditer(text):
        name = match["declaration"].split()[-1].partition("[")[0]
        if name:
            field = Field(int(match["offset"]), int(match["size"]), match["signed"] == "1")
            found[name] = field
    return found
