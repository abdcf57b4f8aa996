"""Reads experience back: what is damaged is left out and counted, never fatal."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from damon_tuner.daemon.experience.record import Experience, decode
from damon_tuner.daemon.experience.segments import segment_name, segment_numbers
from damon_tuner.errors import RecordingError

MAX_LINE_BYTES = 1 << 21
"""A longer line is none of ours: even 65536 regions take less."""

# A decision comes late, when a page-out pass holds it up; but where one is missing is a gap.
_LATE = 1.5


@dataclass(slots=True)
class Kept:
    """What was read, in the order in which it was written.

    ``nr_damaged`` lines are torn or altered, ``nr_foreign`` are another release's.
    """

    records: list[Experience] = field(default_factory=list)
    nr_damaged: int = 0
    nr_foreign: int = 0

    def add_lines(self, lines: Iterable[bytes]) -> None:
        """Take in lines, with their newline; one without was cut off."""
        for line in lines:
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("cut off")
                record = decode(line)
            except ValueError:
                self.nr_damaged += 1
                continue
            if record is None:
                self.nr_foreign += 1
            else:
                self.records.append(record)


def read_experience(path: Path) -> Kept:
    """Read a folder of segments, or one of them.

    Raises:
        RecordingError: it cannot be read, or the folder has no segments; does not name it.
    """
    kept = Kept()
    try:
        if not path.is_dir():
            _add_file(kept, path)
            return kept
        numbers = segment_numbers(os.listdir(path))
        for number in numbers:
            # The daemon may remove the oldest one meanwhile.
            with contextlib.suppress(FileNotFoundError):
                _add_file(kept, path / segment_name(number))
    except OSError as error:
        raise RecordingError(f"cannot be read: {error.strerror}") from None
    if not numbers:
        raise RecordingError(f"cannot be read: there is no {segment_name(1)} or the like in it")
    return kept


def stretches(records: Iterable[Experience]) -> list[list[Experience]]:
    """Split the records where a decision is missing, and by run of the daemon and by tenant.

    The stretches come in the order of their beginnings.
    """
    latest: dict[tuple[str, str], list[Experience]] = {}
    found: list[list[Experience]] = []
    for record in records:
        stretch = latest.get((record.run, record.tenant))
        if stretch is None or not _follows(stretch[-1], record):
            stretch = latest[(record.run, record.tenant)] = []
            found.append(stretch)
        stretch.append(record)
    return found


def _follows(before: Experience, record: Experience) -> bool:
    return 0.0 < record.time_s - before.time_s <= _LATE * before.interval_s


def _add_file(kept: Kept, path: Path) -> None:
    # A pipe in its place must not hold us up.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise RecordingError(f"cannot be read: {path.name} is no file")
        kept.add_lines(_lines(file))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is too long, its beginning."""
    pieces = iter(lambda: file.readline(MAX_LINE_BYTES), b"")
    continues = False
    for piece in pieces:
        if not continues:
            yield piece
        continues = not piece.endswith(b"\n")
