"""An application's own score: read from a file, or printed by a program; nothing waits."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

from damon_tuner.daemon.config import Score

_MOST_BYTES = 256


class ScoreReader:
    """What an application says of itself; a round takes what the last one asked for.

    A program gets ``timeout_s`` and is then killed. Without a number nothing is known, which
    trips nothing: ``trouble`` says why there is none.
    """

    def __init__(self, score: Score, now_s: Callable[[], float]) -> None:
        self._score = score
        self._now_s = now_s
        self._pid: int | None = None
        self._out = -1
        self._deadline_s = 0.0
        self._text = b""
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
        return self.value is not None and self.value < self._score.floor

    def close(self) -> None:
        """End what was asked for."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self._out)
            self._pid, self._out = None, -1

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
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return f"{path} is no file"
            return file.read(_MOST_BYTES)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
