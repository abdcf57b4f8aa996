"""Writes that the kernel may take seconds for: done by a child, so that the caller never hangs.

Taking memory offline or reclaiming it ends early only when a signal is pending for the task that
writes. A thread would not do: Python repeats a system call that a signal cut short, in every
thread but the main one without ever asking anybody. The child ends itself at its deadline, also
when its parent is killed meanwhile; until then it keeps the parent's locks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
from collections.abc import Callable
from typing import NoReturn, Protocol

_HANDLED = (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class SlowWrite(Protocol):
    """A write that is underway."""

    def poll(self) -> int | None:
        """Return None while it lasts, then 0 or its ``errno``; ``ETIMEDOUT`` at its deadline."""

    def cancel(self, wait_s: float) -> int | None:
        """End it early and wait for that; None when it still lasts after ``wait_s`` seconds."""


class ForkedWrite:
    """A write by a child process; raises ``OSError`` when the file cannot be opened."""

    def __init__(self, path: str, text: str, timeout_s: float) -> None:
        self._result: int | None = None
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _write_and_exit(fd, text.encode(), timeout_s)
        finally:
            os.close(fd)

    def poll(self) -> int | None:
        """Return None while it lasts, then 0 or its ``errno``; ``ETIMEDOUT`` at its deadline."""
        if self._result is None:
            self._reap()
        return self._result

    def cancel(self, wait_s: float) -> int | None:
        """Kill the child; a write that the signal interrupts is ``EINTR``."""
        if self.poll() is None:
            os.kill(self._pid, signal.SIGKILL)
            # Without a file descriptor left nothing is waited for.
            with contextlib.suppress(OSError):
                _wait_for_exit(self._pid, wait_s)
        return self.poll()

    def _reap(self) -> None:
        try:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
        except ChildProcessError:  # whoever embeds this has reaped it: the result is unknown
            self._result = errno.ECHILD
            return
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            self._result = code
        else:
            self._result = errno.ETIMEDOUT if code == -signal.SIGALRM else errno.EINTR


class NotedWrite:
    """Another write, whose result is told to ``note`` once."""

    def __init__(self, write: SlowWrite, note: Callable[[int], None]) -> None:
        self._write = write
        self._note = note
        self._noted = False

    def poll(self) -> int | None:
        """Return None while it lasts, then 0 or its ``errno``."""
        return self._told(self._write.poll())

    def cancel(self, wait_s: float) -> int | None:
        """End it early and wait for that; None when it still lasts after ``wait_s`` seconds."""
        return self._told(self._write.cancel(wait_s))

    def _told(self, result: int | None) -> int | None:
        if result is not None and not self._noted:
            self._noted = True
            self._note(result)
        return result


def _wait_for_exit(pid: int, wait_s: float) -> None:
    pidfd = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.poll(wait_s * 1_000)
    finally:
        os.close(pidfd)


def _write_and_exit(fd: int, text: bytes, timeout_s: float) -> NoReturn:
    """Write once, as the child; its exit status is 0 or the ``errno``."""
    result = errno.EINTR
    try:
        for number in _HANDLED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
        os.write(fd, text)
        result = 0
    except OSError as error:
        result = error.errno or errno.EIO
    finally:
        os._exit(result)
