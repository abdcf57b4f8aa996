"""One damon-tuner a host at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from damon_tuner.errors import DamonBusyError, NoPermissionError, TunerError
from damon_tuner.kernel_iface.sysfs.journal import read_journal
from damon_tuner.kernel_iface.sysfs.kernel import Kernel

LOCK = "run/damon-tuner.lock"


def take_lock(kernel: Kernel, folder: Path | None) -> Callable[[], None]:
    """Keep every other damon-tuner away until the result is called, or this process ends.

    Raises:
        DamonBusyError: one is at work, and which it is by the journal in ``folder``.
        NoPermissionError: not root.
    """
    try:
        return kernel.lock(LOCK)
    except BlockingIOError:
        raise DamonBusyError(
            f"another damon-tuner{_who(folder)} manages this host: stop it first "
            f"(it holds /{LOCK})"
        ) from None
    except OSError as error:
        raise NoPermissionError(
            f"/{LOCK} cannot be locked ({error.strerror}): run as root"
        ) from None


def _who(folder: Path | None) -> str:
    try:
        written = None if folder is None else read_journal(folder)
    except TunerError:
        return ""
    return f" (process {written.owner.pid})" if written and written.owner else ""
