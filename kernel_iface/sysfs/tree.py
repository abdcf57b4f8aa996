"""The one way to the kernel's files: retries what is busy, names what went wrong."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

from damon_tuner.errors import (
    DamonBusyError,
    DamonMissingError,
    KernelFileError,
    KernelRejectedError,
    NoPermissionError,
    TunerError,
)
from damon_tuner.kernel_iface.sysfs.kernel import Kernel
from damon_tuner.kernel_iface.sysfs.slow_write import NotedWrite, SlowWrite

_FIRST_PAUSE_S = 0.001
_LAST_PAUSE_S = 0.1

_EXCERPT = 40
_LOOKS = 4

_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR, errno.ESRCH, errno.EOPNOTSUPP})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

_T = TypeVar("_T")
Operation = Literal["read", "write", "list", "open"]


class RefusedError(KernelRejectedError):
    """The kernel answered a read or write with ``errno``."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.errno = number


@dataclass(frozen=True, slots=True)
class Access:
    """One system call on one file; ``errno`` is 0 when it succeeded."""

    operation: Operation
    path: str
    text: str
    errno: int


class Tree:
    """Reads and writes below the kernel's root, with this project's errors.

    DAMON takes its lock with a try: whoever comes second gets ``EBUSY`` and has to come again.
    Every access is therefore repeated, with growing pauses, for up to ``busy_timeout_s``.

    Raises, from every method that touches a file: ``NoPermissionError``, ``DamonMissingError``
    (no such file), ``DamonBusyError`` (busy for too long), :class:`RefusedError` (the rest).
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        busy_timeout_s: float = 10.0,
        record: Callable[[Access], None] | None = None,
    ) -> None:
        self.kernel = kernel
        self._busy_timeout_s = busy_timeout_s
        self._record = record
        self._last_read = ("", "")

    def read(self, path: str) -> str:
        """Return a file's text without surrounding white space."""
        try:
            return self._text(path)
        except OSError as error:
            raise self._explained("read", path, "", error) from error

    @contextmanager
    def sensible(self) -> Iterator[None]:
        """Blame the file that was read last for what cannot be understood inside the block.

        Raises:
            KernelFileError: names the file and what it holds.
        """
        try:
            yield
        except (ValueError, LookupError) as error:
            path, text = self._last_read
            excerpt = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."
            raise KernelFileError(f"/{path} holds {excerpt!a}, which makes no sense") from error

    def read_if_present(self, path: str) -> str | None:
        """Return a file's text, or None where this kernel or process has no such file."""
        try:
            return self._text(path)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise self._explained("read", path, "", error) from error

    def write(self, path: str, text: str) -> None:
        """Write ``text`` to a file."""
        try:
            self._access("write", path, text, lambda: self.kernel.write(path, text))
        except OSError as error:
            raise self._explained("write", path, text, error) from error

    def require_writable(self, path: str) -> None:
        """Raise what writing to a file would raise of its absence or of permissions."""
        try:
            self._access("open", path, "", lambda: self.kernel.open_to_write(path))
        except OSError as error:
            raise self._explained("write", path, "", error) from error

    def start_write(self, path: str, text: str, timeout_s: float) -> SlowWrite:
        """Begin a write that may take long, and is given up after ``timeout_s`` seconds.

        Raises only what opening the file does; how the write ends, the result tells.
        """
        try:
            write = self.kernel.start_write(path, text, timeout_s)
        except OSError as error:
            self._note("write", path, text, error.errno or 0)
            raise self._explained("write", path, text, error) from error
        return NotedWrite(write, lambda number: self._note("write", path, text, number))

    def read_at(self, path: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` of a file from an offset, as they are."""
        try:
            return self._access(
                "read", path, "", lambda: self.kernel.read_at(path, offset_bytes, size_bytes)
            )
        except OSError as error:
            raise self._explained("read", path, "", error) from error

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a directory; none where there is no such directory."""
        try:
            return sorted(self._access("list", path, "", lambda: self.kernel.names(path)))
        except OSError as error:
            if error.errno in _ABSENT:
                return []
            raise self._explained("list", path, "", error) from error

    def exists(self, path: str) -> bool:
        """Tell whether a file or directory is there."""
        return self.kernel.exists(path)

    def _text(self, path: str) -> str:
        text = self._access("read", path, "", lambda: self.kernel.read(path)).strip()
        self._last_read = path, text
        return text

    def _access(self, operation: Operation, path: str, text: str, call: Callable[[], _T]) -> _T:
        deadline_us = self.kernel.now_us() + int(self._busy_timeout_s * 1e6)
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                result = call()
            except OSError as error:
                self._note(operation, path, text, error.errno or 0)
                if error.errno != errno.EBUSY or self.kernel.now_us() >= deadline_us:
                    raise
            else:
                self._note(operation, path, text, 0)
                return result
            self.kernel.wait(pause_s)
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)

    def _note(self, operation: Operation, path: str, text: str, number: int) -> None:
        if self._record is not None:
            self._record(Access(operation, path, text, number))

    def _explained(self, operation: Operation, path: str, text: str, error: OSError) -> TunerError:
        number = error.errno or 0
        reason = f"{errno.errorcode.get(number, number)}: {os.strerror(number)}"
        if number == errno.EROFS:
            return NoPermissionError(
                f"cannot {operation} /{path}: it is mounted read-only; "
                "run on the host itself, or give the container a writable /sys"
            )
        if number in _FORBIDDEN:
            return NoPermissionError(f"cannot {operation} /{path} ({reason}): run as root")
        if number in _ABSENT:
            return DamonMissingError(f"cannot {operation} /{path} ({reason})")
        if number == errno.EBUSY:
            return DamonBusyError(
                f"/{path} stayed busy for {self._busy_timeout_s:g} s: another program is using "
                "DAMON; stop it and try again"
            )
        what = f"write {text!r} to" if operation == "write" else operation
        return RefusedError(f"the kernel refused to {what} /{path} ({reason})", number)


def settled(look: Callable[[], _T], what: str) -> _T:
    """Return what two looks in a row agree on, for what everything depends on later.

    Raises:
        DamonBusyError: it changes all the time.
    """
    seen = look()
    for _ in range(_LOOKS):
        again = look()
        if again == seen:
            return seen
        seen = again
    raise DamonBusyError(f"{what} changes all the time: stop what changes it, and try again")
