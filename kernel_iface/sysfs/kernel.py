"""What this room needs of the machine it runs on, so that tests can stand in for it."""

from __future__ import annotations

import fcntl
import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from damon_tuner.kernel_iface.sysfs.slow_write import ForkedWrite, SlowWrite

_READ_BYTES = 1 << 16


class Kernel(Protocol):
    """Files below a root, and time. Paths have no leading slash; failures are ``OSError``."""

    def read(self, path: str) -> str:
        """Return the whole text of a file."""

    def write(self, path: str, text: str) -> None:
        """Write ``text`` to an existing file in one system call."""

    def start_write(self, path: str, text: str, timeout_s: float) -> SlowWrite:
        """Begin a write that may take long, and is given up after ``timeout_s`` seconds."""

    def read_at(self, path: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` of a file from an offset."""

    def names(self, path: str) -> list[str]:
        """Return the names in a directory, in no particular order."""

    def exists(self, path: str) -> bool:
        """Tell whether a file or directory is there."""

    def open_to_write(self, path: str) -> None:
        """Open a file for writing and write nothing: raises what a write would of permissions."""

    def lock(self, path: str) -> Callable[[], None]:
        """Take an exclusive lock, which the result releases; ``BlockingIOError`` when taken."""

    def now_us(self) -> int:
        """Return monotonic time in microseconds since an arbitrary start."""

    def wait(self, seconds: float, pid: int | None = None) -> None:
        """Let ``seconds`` pass, or less when the process ``pid`` exits meanwhile."""


class LocalKernel:
    """The kernel under this process; ``root`` is where its ``/proc`` and ``/sys`` are mounted."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._prefix = f"{str(root).rstrip('/')}/"

    def read(self, path: str) -> str:
        """Return the whole text of a file; bytes that are not UTF-8 survive as surrogates."""
        fd = os.open(self._prefix + path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = b""
            while chunk := os.read(fd, _READ_BYTES):
                text += chunk
        finally:
            os.close(fd)
        return text.decode("utf-8", "surrogateescape")

    def write(self, path: str, text: str) -> None:
        """Write ``text`` in one system call, as sysfs wants it; never creates a file."""
        fd = os.open(self._prefix + path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode("utf-8", "surrogateescape"))
        finally:
            os.close(fd)

    def start_write(self, path: str, text: str, timeout_s: float) -> SlowWrite:
        """Let a child write ``text``, which ends it after ``timeout_s`` seconds."""
        return ForkedWrite(self._prefix + path, text, timeout_s)

    def read_at(self, path: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` of a file from an offset, in one system call."""
        fd = os.open(self._prefix + path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, size_bytes, offset_bytes)
        finally:
            os.close(fd)

    def names(self, path: str) -> list[str]:
        """Return the names in a directory, in no particular order."""
        return os.listdir(self._prefix + path)

    def exists(self, path: str) -> bool:
        """Tell whether a file or directory is there."""
        return os.path.exists(self._prefix + path)

    def open_to_write(self, path: str) -> None:
        """Open a file for writing and close it again, which changes nothing in sysfs."""
        os.close(os.open(self._prefix + path, os.O_WRONLY | os.O_CLOEXEC))

    def lock(self, path: str) -> Callable[[], None]:
        """Lock a file of its own; the kernel releases it too when this process ends."""
        fd = os.open(self._prefix + path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return lambda: os.close(fd)

    def now_us(self) -> int:
        """Return the monotonic clock in microseconds."""
        return time.monotonic_ns() // 1_000

    def wait(self, seconds: float, pid: int | None = None) -> None:
        """Sleep on the process's pidfd, which becomes readable when it exits."""
        # Below another root, process numbers may be those of another namespace.
        if pid is None or self._prefix != "/":
            time.sleep(seconds)
            return
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except OSError:  # before Linux 5.3, or no file descriptor left: only slower to notice
            time.sleep(seconds)
            return
        try:
            poller = select.poll()
            poller.register(fd, select.POLLIN)
            poller.poll(seconds * 1_000)
        finally:
            os.close(fd)
