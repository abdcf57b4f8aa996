"""The log: lines that never hold the daemon up, and never end it."""

from __future__ import annotations

import os
import select

from damon_tuner.daemon.wording import printable

# A pipe that is ready takes this much at once.
_MOST_BYTES = 4096
_CUT = "..."


class Log:
    """Writes lines to a file descriptor, standard output unless told otherwise.

    A line is dropped where nobody reads, or the disk is full; how many were is the first thing
    that is said when there is room again. Names that are no text, or would steer a terminal, are
    escaped.
    """

    def __init__(self, fd: int = 1) -> None:
        self._fd = fd
        self._nr_lost = 0

    def __call__(self, line: str) -> None:
        """Write a line, or drop it."""
        if self._nr_lost and self._put(f"warning: {self._nr_lost} lines of the log were lost"):
            self._nr_lost = 0
        if self._nr_lost or not self._put(line):
            self._nr_lost += 1

    def _put(self, line: str) -> bool:
        text = printable(line)
        if len(text) >= _MOST_BYTES:
            text = text[: _MOST_BYTES - len(_CUT) - 1] + _CUT
        data = text.encode("ascii") + b"\n"
        try:
            if not select.select((), (self._fd,), (), 0.0)[1]:
                return False
            return os.write(self._fd, data) == len(data)
        except (OSError, ValueError):
            return False
