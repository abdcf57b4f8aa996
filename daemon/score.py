"""An application's own score: read from a file, or printed by a program; nothing waits."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

from damon_tuner.daemon.config import Score

_MOST_BYTES = 256

# An application that says nothing for so many rounds may be too slow to; a file that nobody has
# written for so long says nothing.
_SILENT_ROUNDS = 3
_STALE_S = 60.0

# Programs that were killed and are not gone yet: the kernel may hold one for as long as it likes.
_dying: list[int] = []


class ScoreReader:
    """What an application says of itself; a round takes what the last one asked for.

    A program gets ``timeout_s`` and is then killed. Without a number for three rounds in a row the
    score counts as too low; ``trouble`` says why there is none.
    """

    def __init__(self, score: Score, now_s: Callable[[], float]) -> None:
        self._score = score
        self._now_s = now_s
        self._pid: int | None = None
        self._out = -1
        self._deadline_s = 0.0
        self._text = b""
        self._nr_silent = 0
        self.value: float | None = None
        self.trouble = ""

    def is_below_floor(self) -> bool:
        """Take in the newest score, ask for the next, and say whether it is too low."""
        if self._score.file is not None:
            self._take(_file_text(self._score.file))
        else:
            self._poll()
            if self._pid is None:
                self._start()
        if self.value is None:
            self._nr_silent += bool(self.trouble)
            return self._nr_silent >= _SILENT_ROUNDS
        self._nr_silent = 0
        return self.value < self._score.floor

    def close(self) -> None:
        """End what was asked for."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            _dying.append(self._pid)
            os.close(self._out)
            self._pid, self._out = None, -1
        _reap()

    def _start(self) -> None:
        readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(writable, True)
        try:
            self._pid = os.posix_spawn(
                self._score.command[0],
                self._score.command,
                {"PATH": os.defpath, "LANG": "C.UTF-8"},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, writable, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setpgroup=0,
                setsigdef=[signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
            )
        except OSError as error:
            os.close(readable)
            self._nothing(f"{self._score.command[0]} cannot be run ({error.strerror})")
            return
        finally:
            os.close(writable)
        self._out, self._text = readable, b""
        self._deadline_s = self._now_s() + self._score.timeout_s

    def _poll(self) -> None:
        if self._pid is None:
            return
        with contextlib.suppress(BlockingIOError):
            while len(self._text) <= _MOST_BYTES:
                chunk = os.read(self._out, _MOST_BYTES)
                if not chunk:
                    break
                self._text += chunk
        if len(self._text) > _MOST_BYTES:
            self.close()
            return self._nothing(f"{self._score.command[0]} prints more than a number")
        ended, status = os.waitpid(self._pid, os.WNOHANG)
        if ended:
            os.close(self._out)
            self._pid, self._out = None, -1
            code = os.waitstatus_to_exitcode(status)
            if code:
                self._nothing(f"{self._score.command[0]} ended with status {code}")
            else:
                self._take(self._text)
        elif self._now_s() > self._deadline_s:
            self.close()
            self._nothing(f"{self._score.command[0]} took more than {self._score.timeout_s:g} s")

    def _take(self, text: bytes | str) -> None:
        if isinstance(text, str):
            return self._nothing(text)
        try:
            value = float(text[:_MOST_BYTES].split()[0])
        except (ValueError, IndexError):
            return self._nothing("the score is no number")
        if not math.isfinite(value):
            return self._nothing("the score is no number")
        self.value, self.trouble = value, ""

    def _nothing(self, why: str) -> None:
        self.value, self.trouble = None, why


def _file_text(path: Path) -> bytes | str:
    """Return what a file holds, or in words why it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            seen = os.fstat(fd)
            if not stat.S_ISREG(seen.st_mode):
                return f"{path} is no file"
            if time.time() - seen.st_mtime > _STALE_S:
                return f"{path} was not written for {_STALE_S:.0f} s"
            return file.read(_MOST_BYTES)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"


def _reap() -> None:
    """Take leave of those that are gone by now."""
    _dying[:] = [pid for pid in _dying if os.waitpid(pid, os.WNOHANG)[0] == 0]
