"""One fault at each place where a run touches the kernel, and what becomes of the host.

A run starts, observes, changes its schemes three times and stops, with a journal; after what it
could not put back itself, ``restore`` is called. The machine is the fake kernel.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Filter,
    FilterType,
    GoalMetric,
    Operations,
    Quota,
    QuotaGoal,
    Scheme,
)
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.restore import restore
from damon_tuner.signals import Stopped

from .fake_kdamond import failure
from .fake_kernel import NR_KDAMONDS, PID, FakeKernel

ERRNOS = (
    *(errno.EBUSY, errno.EINVAL, errno.ENOMEM, errno.EIO, errno.EACCES, errno.EPERM),
    *(errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.ECANCELED, errno.EAGAIN, errno.EINTR),
    *(errno.ENOSPC, errno.ERANGE, errno.ETIMEDOUT, errno.EROFS, errno.EOPNOTSUPP, errno.EFAULT),
)

CONTEXTS = {
    "vaddr": Context(pid=PID),
    "paddr": Context(Operations.PADDR),
}

COLD = AccessPattern(max_nr_accesses=0, min_age=30)
GOAL = QuotaGoal(GoalMetric.SOME_MEM_PSI_US, 1_000)
PAGEOUT = Scheme(
    Action.PAGEOUT,
    COLD,
    Quota(sz_bytes=1 << 20, reset_interval_ms=1_000, goals=(GOAL,)),
    filters=(Filter(FilterType.ANON, matching=True),),
)

Fault = Callable[["Touched", str, str], str | None]
"""Told the kernel and the access: raises, or returns a text to read instead, or None."""


class Touched(FakeKernel):
    """A fake kernel that counts its accesses, and has a fault at the ``nth``."""

    def __init__(self, fault: Fault | None = None, nth: int = 0) -> None:
        super().__init__()
        self.files["sys/module/damon_stat/parameters/enabled"] = "Y"
        self.touches: list[tuple[str, str]] = []
        self.gone: set[str] = set()
        self._fault, self._nth = fault, nth

    def read(self, path: str) -> str:
        text = super().read(path) if self._may("read", path) else ""
        return self._struck if self._struck is not None else text

    def write(self, path: str, text: str) -> None:
        self._may("write", path)
        super().write(path, text)

    def names(self, path: str) -> list[str]:
        self._may("names", path)
        return super().names(path)

    def _may(self, what: str, path: str) -> bool:
        self._struck: str | None = None
        self.touches.append((what, path))
        if path in self.gone:
            raise failure(errno.ENOENT)
        if self._fault is not None and len(self.touches) == self._nth:
            self._struck = self._fault(self, what, path)
        return True


def refuse(number: int) -> Fault:
    """The access fails with an errno, once."""

    def fault(kernel: Touched, what: str, path: str) -> str | None:
        raise failure(number)

    return fault


def short_read(share: float) -> Fault:
    """A read returns only a part of the text, or nothing."""

    def fault(kernel: Touched, what: str, path: str) -> str | None:
        if what != "read":
            return None
        text = FakeKernel.read(kernel, path)
        return text[: int(len(text) * share)]

    return fault


def vanish(kernel: Touched, what: str, path: str) -> str | None:
    """The file is gone from now on."""
    kernel.gone.add(path)
    raise failure(errno.ENOENT)


def block(kernel: Touched, what: str, path: str) -> str | None:
    """The access takes an hour, and then works."""
    kernel.clock_us += 3_600_000_000
    return None


def block_until_stopped(kernel: Touched, what: str, path: str) -> str | None:
    """The access takes until somebody asks the run to stop."""
    raise Stopped


FAULTS: dict[str, Fault] = {
    **{errno.errorcode[number]: refuse(number) for number in ERRNOS},
    "empty read": short_read(0.0),
    "half a read": short_read(0.5),
    "vanished": vanish,
    "an hour": block,
    "blocked until SIGTERM": block_until_stopped,
}


@dataclass(slots=True)
class Run:
    """What happened: the errors that users would see, and everything that is wrong."""

    struck: str = ""
    raised: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def run_once(context: Context, fault: Fault | None = None, nth: int = 0) -> tuple[Run, Touched]:
    """Run with one fault, and look at what is left."""
    kernel = Touched(fault, nth)
    found = kernel.sysfs
    run = Run()
    with tempfile.TemporaryDirectory() as folder:
        host = SysfsHost(
            context, kernel=kernel, state_dir=Path(folder) / "state", busy_timeout_s=0.5
        )
        _drive(host, kernel, run)
        kernel.gone.clear()
        if kernel.sysfs != found:
            _step(run, "restore", lambda: restore(kernel, Path(folder) / "state"))
    if nth and len(kernel.touches) >= nth:
        run.struck = " ".join(kernel.touches[nth - 1])
    # A switch that was gone for a while went with its module, and came back with it.
    gone = {path for what, path in [kernel.touches[nth - 1]] if fault is vanish} if nth else set()
    different = {path for path, _ in kernel.sysfs.items() ^ found.items()} - gone
    if different:
        run.wrong.append(f"left changed: {sorted(different)[:3]}")
    return run, kernel


def _drive(host: SysfsHost, kernel: Touched, run: Run) -> None:
    changes = (
        [replace(PAGEOUT, quota=replace(PAGEOUT.quota, sz_bytes=2 << 20))],
        [replace(PAGEOUT, quota=replace(PAGEOUT.quota, goals=(replace(GOAL, target_value=9),)))],
        [PAGEOUT, Scheme(Action.LRU_DEPRIO, COLD)],
    )
    try:
        if _step(run, "start", lambda: host.start([PAGEOUT])):
            _step(run, "snapshot", host.snapshot)
            for schemes in changes:
                host.advance(5.0)
                if not _step(run, "apply", lambda schemes=schemes: host.apply(schemes)):
                    _look_for_half_staged(kernel, run)
                _step(run, "snapshot", host.snapshot)
        _step(run, "stop", host.stop)
    except Stopped:
        # Once only, and, as the loop of a run does, whenever it came.
        _step(run, "stop", host.stop)


def _step(run: Run, name: str, step: Callable[[], object]) -> bool:
    try:
        step()
    except TunerError as error:
        run.raised.append(f"{name}: {error}")
        if "\n" in str(error):
            run.wrong.append(f"{name}: more than a line: {error}")
        return False
    except Stopped:
        raise
    except Exception as error:
        run.wrong.append(f"{name}: {type(error).__name__}: {error}")
        return False
    return True


def _look_for_half_staged(kernel: Touched, run: Run) -> None:
    """After a refused change the files must hold what runs, or an error must have said so."""
    told = any("did not come back" in error for error in run.raised)
    if told or kernel.files[NR_KDAMONDS] != "1" or not kernel.running:
        return
    kdamond = kernel.kdamonds[0]
    for path, text in (kdamond.committed or {}).items():
        held = kernel.files.get(f"{kdamond.context}/{path}")
        if held != text and "/stats/" not in path and "tried_regions" not in path:
            run.wrong.append(f"half staged: {path} is {held}, and {text} runs")
            return


def every_fault() -> Iterator[tuple[str, int, str, Run]]:
    """Strike each access of a run, with each fault, in each context."""
    for name, context in CONTEXTS.items():
        _, whole = run_once(context)
        for nth in range(1, len(whole.touches) + 1):
            for kind, fault in FAULTS.items():
                run, _ = run_once(context, fault, nth)
                yield name, nth, kind, run
