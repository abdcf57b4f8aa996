"""A real host: DAMON through sysfs, everything else through ``/proc``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from damon_tuner.errors import NotRestoredError
from damon_tuner.kernel_iface.host import Context, Operations, Scheme, Snapshot
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.kernel_iface.sysfs.hands import Hands, OwnHands, hands_for, nr_slots
from damon_tuner.kernel_iface.sysfs.kernel import Kernel, LocalKernel
from damon_tuner.kernel_iface.sysfs.region_source import RegionsBy
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost
from damon_tuner.kernel_iface.sysfs.tree import Access, Tree

_NAME = "tenant"


class SysfsHost:
    """The kernel under this process as a Host, for one process or for physical memory.

    It is a session with one tenant. ``root``, ``busy_timeout_s``, ``record``, ``kernel``,
    ``state_dir`` and ``regions_by`` are as in :class:`Session`, ``swap_in_us``, ``disk_in_us``
    and ``lease_s`` as in :class:`SessionHost`. ``groups`` are the knobs that
    ``carry_out`` is to set.

    As a context manager it stops on leaving.
    """

    def __init__(
        self,
        context: Context,
        *,
        root: Path = Path("/"),
        swap_in_us: float = 60.0,
        disk_in_us: float = 0.0,
        busy_timeout_s: float = 10.0,
        record: Callable[[Access], None] | None = None,
        kernel: Kernel | None = None,
        state_dir: Path | None = None,
        regions_by: RegionsBy = "auto",
        lease_s: float | None = None,
        groups: Collection[str] = (),
    ) -> None:
        self._groups, self._lease_s = groups, lease_s
        self._hands: Hands = OwnHands()
        nr = nr_slots(Tree(kernel or LocalKernel(root)), groups, 1)
        self._session = Session(
            nr,
            root=root,
            busy_timeout_s=busy_timeout_s,
            record=record,
            kernel=kernel,
            state_dir=state_dir,
            regions_by=regions_by,
        )
        self._tenant = SessionHost(
            self._session,
            _of_one_target(context),
            swap_in_us=swap_in_us,
            disk_in_us=disk_in_us,
            lease_s=lease_s,
        )

    def start(self, schemes: Sequence[Scheme]) -> None:
        """Begin monitoring with ``schemes``; on any failure the host is as it was.

        Raises what ``Session.open`` and ``SessionHost.start`` raise.
        """
        self._session.check()
        # What is wrong with the tenant is found out before anything is written.
        self._tenant.find()
        self._session.open()
        with self._session.undone_on_failure():
            self._tenant.start(schemes)
            self._hands = hands_for(self._session, self._groups, self._lease_s)
            self._hands.add(_NAME, self._tenant)

    def check(self) -> None:
        """Refuse what ``start`` would refuse of the kernel and its users, writing nothing."""
        self._session.check()

    def advance(self, seconds: float) -> None:
        """Let time pass, as ``SessionHost.advance`` does."""
        kernel = self._session.kernel
        end_us = kernel.now_us() + int(seconds * 1e6)
        while (wait_s := self._hands.advance()) is not None:
            until_us = kernel.now_us() + int(wait_s * 1e6)
            if until_us >= end_us:
                break
            self._tenant.advance(wait_s)
            if kernel.now_us() < until_us:
                # the process has exited
                return
        self._tenant.advance(max(end_us - kernel.now_us(), 0) / 1e6)

    def snapshot(self) -> Snapshot:
        """Observe; raises what ``SessionHost.snapshot`` raises."""
        return self._hands.observed(_NAME, self._tenant.snapshot())

    def carry_out(self, plan: Plan) -> None:
        """Replace the running plan.

        Raises what ``SessionHost.apply`` raises.
        """
        self._hands.plan(_NAME, plan)
        self._hands.carry_out()

    def apply(self, schemes: Sequence[Scheme], *, is_urgent: bool = False) -> None:
        """Replace the schemes; raises what ``SessionHost.apply`` raises."""
        self._tenant.apply(schemes, is_urgent=is_urgent)

    def stop(self) -> None:
        """Stop monitoring and put everything back; may be called at any time, any number of times.

        Raises:
            NotRestoredError: names what is left and the commands that mend it.
        """
        try:
            # What it leaves is in the session's journal, and the session tells.
            with suppress(NotRestoredError):
                self._hands.stop()
        finally:
            self._close()

    def _close(self) -> None:
        try:
            self._session.close()
        finally:
            self._tenant.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _of_one_target(context: Context) -> Context:
    is_paddr = context.operations is Operations.PADDR
    if len(context.targets) > 1 or not (is_paddr or context.targets):
        raise ValueError("a host has one tenant: give one process, or paddr")
    return context
