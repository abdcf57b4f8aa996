"""A real host: DAMON through sysfs, everything else through ``/proc``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from damon_tuner.errors import (
    KernelRejectedError,
    NotRestoredError,
    TargetGoneError,
    TunerError,
)
from damon_tuner.kernel_iface.host import (
    Context,
    KdamondSpec,
    Operations,
    Scheme,
    SchemeStats,
    Snapshot,
    Target,
)
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.journal import state_dir as usual_state_dir
from damon_tuner.kernel_iface.sysfs.kernel import Kernel, LocalKernel
from damon_tuner.kernel_iface.sysfs.lease import LEASE_FILE, Lease
from damon_tuner.kernel_iface.sysfs.ledger import Ledger, refuse_leftover
from damon_tuner.kernel_iface.sysfs.lock import take_lock
from damon_tuner.kernel_iface.sysfs.observe.memory import memory as host_memory
from damon_tuner.kernel_iface.sysfs.observe.physical import system_ram
from damon_tuner.kernel_iface.sysfs.observe.pressure import pressure_some_us
from damon_tuner.kernel_iface.sysfs.occupants import (
    DAMON_STAT_ENABLED,
    is_on,
    require_damon,
    require_unused,
)
from damon_tuner.kernel_iface.sysfs.region_source import (
    OBSERVER,
    FileRegions,
    RegionsBy,
    RegionSource,
    region_source,
)
from damon_tuner.kernel_iface.sysfs.tenant import HostTenant, ProcessTenant, Tenant
from damon_tuner.kernel_iface.sysfs.tree import Access, Tree
from damon_tuner.signals import signals_held


class SysfsHost:
    """The kernel under this process as a Host, for one process or for physical memory.

    ``root`` is where the host's ``/proc`` and ``/sys`` are mounted, ``swap_in_us`` what one major
    fault costs, ``busy_timeout_s`` how long to insist when DAMON's lock is taken; ``record`` is
    told of every access to a file, and ``kernel`` replaces the machine in tests. What is changed
    is in a journal in ``state_dir`` first; tests with a ``kernel`` can do without. With ``paddr``
    and no ranges, every range of system RAM that exists at ``start`` is monitored.
    ``regions_by`` says how regions are read: by the ``trace``, which is cheap and never waits, by
    the ``files``, or ``auto``, which takes the trace where it can be had. The trace instance
    has the usual name: who traces meanwhile gives theirs another, or reads the ``files`` here.
    With ``lease_s`` schemes stop by themselves that long after the last ``apply`` or
    ``snapshot``, as :class:`Lease` tells; before Linux 7.0 they go on.

    As a context manager it stops on leaving.
    """

    def __init__(
        self,
        context: Context,
        *,
        root: Path = Path("/"),
        swap_in_us: float = 60.0,
        busy_timeout_s: float = 10.0,
        record: Callable[[Access], None] | None = None,
        kernel: Kernel | None = None,
        state_dir: Path | None = None,
        regions_by: RegionsBy = "auto",
        lease_s: float | None = None,
    ) -> None:
        self._context = _of_one_target(context)
        self._regions_by: RegionsBy = regions_by
        self._root = root if kernel is None else None
        self._swap_in_us = swap_in_us
        self._kernel = kernel or LocalKernel(root)
        self._tree = Tree(self._kernel, busy_timeout_s=busy_timeout_s, record=record)
        self._state_dir = state_dir
        if kernel is None:
            self._state_dir = usual_state_dir(root, state_dir)
        self._ledger = Ledger(self._tree, self._state_dir)
        self._damon: Damon | None = None
        self._source: RegionSource = FileRegions()
        self._unlock: Callable[[], None] | None = None
        self._tenant: Tenant = HostTenant(self._tree)
        self._schemes: tuple[Scheme, ...] = ()
        self._intervals = context.attrs.intervals
        self._lease = None if lease_s is None else Lease(lease_s)

    def start(self, schemes: Sequence[Scheme]) -> None:
        """Begin monitoring with ``schemes``; on any failure the host is as it was.

        Raises:
            DamonMissingError: this kernel lacks DAMON, or pressure information.
            DamonBusyError: names who uses DAMON already; nothing was written.
            LeftoverError: a killed run has left changes: says how to put them back.
            JournalError: the journal cannot be written; nothing was changed.
            NoPermissionError: not root.
            TargetGoneError: there is no such process.
            KernelRejectedError: names what the kernel refused.
            NotRestoredError: it failed, and something could not be put back.
        """
        if self._ledger.changes:
            raise RuntimeError("this host is started, or was not put back: call stop first")
        self.check()
        pid = self._pid()
        if pid is not None:
            with self._tree.sensible():
                self._tenant = ProcessTenant(self._tree, pid)
        try:
            self._unlock = take_lock(self._kernel, self._state_dir)
            with self._tree.sensible():
                self._take(schemes)
        except BaseException as error:
            self._give_back(error)
            raise

    def check(self) -> None:
        """Refuse what ``start`` would refuse of the kernel and its users, writing nothing."""
        require_damon(self._tree)
        if self._state_dir is not None:
            refuse_leftover(self._tree, self._state_dir)
        require_unused(self._tree)
        with self._tree.sensible():
            pressure_some_us(self._tree)

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` of real time pass, or less when the managed process exits meanwhile.

        A change of schemes that was held back is made on the way; raises what ``apply`` raises.
        """
        end_us = self._kernel.now_us() + int(seconds * 1e6)
        due_us = self._flush()
        if due_us is not None and due_us < end_us:
            self._wait_until(due_us)
            self._flush()
        self._wait_until(end_us)

    def snapshot(self) -> Snapshot:
        """Observe; without the trace, blocks for up to one aggregation interval.

        Raises:
            TargetGoneError: the managed process has exited.
            TakenOverError: somebody else has taken DAMON; ``stop`` leaves it to them.
            KernelRejectedError: monitoring has ended, or was ended by somebody else.
        """
        damon = self._started()
        with self._tenant_first():
            damon.require_ours()
            damon.flush()
            intervals = self._intervals = damon.tuned_intervals(0)
            # Waiting for the regions takes longest: what is read after them is of the same time.
            regions = self._source.regions(damon, intervals)
            stats = damon.stats(0)[: len(self._schemes)]
            self._renew(damon, stats)
            memory = host_memory(self._tree)
            usage = self._tenant.usage(memory)
            return Snapshot(
                time_us=self._kernel.now_us(),
                intervals=intervals,
                regions=regions,
                scheme_stats=stats,
                resident_bytes=usage.resident_bytes,
                swapped_bytes=usage.swapped_bytes,
                compressed_bytes=memory.pool_bytes,
                memory_total_bytes=memory.total_bytes,
                memory_free_bytes=memory.free_bytes,
                swap_total_bytes=memory.swap_total_bytes,
                swap_free_bytes=memory.swap_free_bytes,
                major_faults=usage.major_faults,
                cpu_time_us=usage.cpu_time_us,
                psi_some_us=pressure_some_us(self._tree),
                swap_in_us=self._swap_in_us,
            )

    def apply(self, schemes: Sequence[Scheme], *, is_urgent: bool = False) -> None:
        """Replace the schemes, keeping regions, ages and the statistics of those that stay.

        Values that come faster than the quotas' reset interval are held back, until ``advance``
        or ``snapshot`` finds them due, unless the change ``is_urgent``.

        Raises:
            TargetGoneError: the managed process has exited.
            TakenOverError: somebody else has changed DAMON's files; ``stop`` leaves theirs alone.
            KernelRejectedError: names what was refused; the old schemes keep running.
        """
        damon = self._started()
        with self._tenant_first():
            damon.require_ours(with_schemes=True)
            self._replace(damon, self._leased(damon, schemes), is_urgent)
        self._schemes = tuple(schemes)

    def stop(self) -> None:
        """Stop monitoring and put everything back; may be called at any time, any number of times.

        Raises:
            NotRestoredError: names what is left and the commands that mend it.
        """
        self._damon = None
        try:
            self._ledger.restore()
        finally:
            try:
                self._source.close()
            finally:
                self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _take(self, schemes: Sequence[Scheme]) -> None:
        if is_on(self._tree.read_if_present(DAMON_STAT_ENABLED)):
            self._ledger.write(DAMON_STAT_ENABLED, "N")
        context = self._targeted()
        # A trace that nobody knows of could not be removed.
        with signals_held():
            self._source = region_source(self._regions_by, context, self._kernel, self._root)
        damon = Damon(self._tree, self._ledger)
        with self._tenant_first():
            damon.start([KdamondSpec(context, self._source.with_observer(schemes))])
            self._source.open(damon)
            # Only now is it known whether this kernel has leases.
            self._replace(damon, self._leased(damon, schemes), is_urgent=True)
        self._damon, self._schemes = damon, tuple(schemes)

    def _leased(self, damon: Damon, schemes: Sequence[Scheme]) -> tuple[Scheme, ...]:
        if self._lease is None or not damon.features.has(LEASE_FILE):
            return tuple(schemes)
        return self._lease.granted(schemes, self._intervals, self._kernel.now_us())

    def _renew(self, damon: Damon, stats: Sequence[SchemeStats]) -> None:
        """Let the next ``apply`` renew the lease, or do it now when there was none for long."""
        if self._lease is not None:
            now_us = self._kernel.now_us()
            self._lease.observe(stats, now_us)
            if self._lease.is_overdue(now_us):
                damon.require_ours(with_schemes=True)
                self._replace(damon, self._leased(damon, self._schemes), is_urgent=False)

    def _replace(self, damon: Damon, schemes: tuple[Scheme, ...], is_urgent: bool) -> None:
        before = damon.running()[0]
        wanted = replace(before, schemes=self._source.with_observer(schemes))
        is_observed = wanted.schemes != schemes and before.schemes[-1:] == (OBSERVER,)
        if len(wanted.schemes) <= len(before.schemes) or not is_observed:
            damon.apply([wanted], is_urgent=is_urgent)
            return
        # The kernel matches schemes by index, and would hand the observer's statistics to the
        # scheme that takes its place: let it drop the observer first.
        damon.apply([replace(wanted, schemes=wanted.schemes[: len(before.schemes) - 1])])
        try:
            damon.apply([wanted])
        except TunerError as error:
            self._come_back(damon, before, error)
            raise

    def _wait_until(self, time_us: int) -> None:
        # A time that has just passed: a negative wait for a process would never end.
        self._kernel.wait(max(time_us - self._kernel.now_us(), 0) / 1e6, self._tenant.pid)

    def _flush(self) -> int | None:
        try:
            with self._tree.sensible():
                return self._damon.flush() if self._damon is not None else None
        except TunerError:
            self._tenant.require()
            raise

    def _come_back(self, damon: Damon, before: KdamondSpec, cause: TunerError) -> None:
        try:
            damon.apply([before], is_urgent=True)
        except TunerError as error:
            raise KernelRejectedError(
                f"{cause}; the old schemes did not come back: {error}"
            ) from cause

    def _release(self) -> None:
        unlock, self._unlock = self._unlock, None
        if unlock is not None:
            unlock()

    def _give_back(self, cause: BaseException) -> None:
        try:
            self.stop()
        except NotRestoredError as left:
            if isinstance(cause, Exception):
                raise NotRestoredError(f"{cause}; {left}") from cause
            cause.add_note(str(left))

    def _pid(self) -> int | None:
        return self._context.targets[0].pid if self._context.targets else None

    def _targeted(self) -> Context:
        if self._context.targets:
            return self._context
        return replace(self._context, targets=(Target(ranges=system_ram(self._tree)),))

    def _started(self) -> Damon:
        if self._damon is None:
            raise RuntimeError("this host is not started: call start first")
        return self._damon

    @contextmanager
    def _tenant_first(self) -> Iterator[None]:
        """Say that the process is gone before anything that merely follows from that."""
        try:
            with self._tree.sensible():
                self._tenant.require()
                yield
        except TargetGoneError:
            raise
        except TunerError:
            self._tenant.require()
            raise


def _of_one_target(context: Context) -> Context:
    is_paddr = context.operations is Operations.PADDR
    if len(context.targets) > 1 or not (is_paddr or context.targets):
        raise ValueError("a host has one tenant: give one process, or paddr")
    return context
