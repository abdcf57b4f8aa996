"""One tenant of a session, as a Host: a kdamond of its own, and what it uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from damon_tuner.errors import KernelRejectedError, TargetGoneError, TunerError
from damon_tuner.kernel_iface.host import (
    Context,
    Intervals,
    KdamondSpec,
    Operations,
    Scheme,
    SchemeStats,
    Snapshot,
    Target,
)
from damon_tuner.kernel_iface.sysfs.lease import LEASE_FILE, Lease
from damon_tuner.kernel_iface.sysfs.observe.costs import CostObserver
from damon_tuner.kernel_iface.sysfs.observe.memory import memory as host_memory
from damon_tuner.kernel_iface.sysfs.observe.physical import system_ram
from damon_tuner.kernel_iface.sysfs.observe.pressure import pressure_some_us
from damon_tuner.kernel_iface.sysfs.region_source import (
    FileRegions,
    RegionSource,
    observer_dropped,
)
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.tenant import HostTenant, ProcessGroup, Tenant


class SessionHost:
    """The processes of ``context``, or physical memory, managed by one kdamond of ``session``.

    ``swap_in_us`` is what one major fault costs, ``disk_in_us`` what one costs that reads a disk,
    or 0 where it is not known. With ``paddr`` and no ranges, every range of system RAM that exists
    at ``start`` is monitored. With ``lease_s`` schemes stop by themselves that long after the last
    ``apply`` or ``snapshot``, as :class:`Lease` tells; before Linux 7.0 they go on. Of several
    processes, those that exit are monitored no more.
    """

    def __init__(
        self,
        session: Session,
        context: Context,
        *,
        swap_in_us: float = 60.0,
        disk_in_us: float = 0.0,
        lease_s: float | None = None,
    ) -> None:
        if not context.targets and context.operations is not Operations.PADDR:
            raise ValueError("a tenant has processes: give one, or several, or paddr")
        self._session = session
        self._context = context
        self._swap_in_us, self._disk_in_us = swap_in_us, disk_in_us
        self._tree, self._kernel = session.tree, session.kernel
        self._costs = CostObserver(self._tree)
        self._source: RegionSource = FileRegions()
        self._slot: int | None = None
        self._tenant: Tenant = HostTenant(self._tree)
        self._schemes: tuple[Scheme, ...] = ()
        self._intervals = context.attrs.intervals
        self._lease = None if lease_s is None else Lease(lease_s)

    def find(self) -> Context:
        """Look up what is to be monitored, as ``start`` does first; writes nothing.

        Raises:
            TargetGoneError: there is no such process.
            KernelFileError: the kernel does not tell where its memory is.
        """
        pids = self._pids()
        with self._tree.sensible():
            if pids:
                self._tenant = ProcessGroup(self._tree, pids)
            return self._targeted()

    def start(self, schemes: Sequence[Scheme]) -> None:
        """Begin monitoring with ``schemes``; on any failure the kdamond is off.

        Raises:
            TargetGoneError: there is no such process.
            KernelRejectedError: names what the kernel refused.
            NotRestoredError: it failed, and something could not be put back.
            TunerError: the session has no room.
        """
        context = self.find()
        damon, slot = self._session.damon, self._session.take_slot()
        self._slot = slot
        try:
            self._source = self._session.region_source(context)
            with self._tenant_first():
                damon.start_one(slot, KdamondSpec(context, self._source.with_observer(schemes)))
                self._source.open(damon, slot)
                # Only now is it known whether this kernel has leases.
                self._replace(self._leased(schemes), is_urgent=True)
        except BaseException:
            self.stop()
            raise
        self._schemes = tuple(schemes)

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` of real time pass, or less when the only process exits meanwhile.

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
            TargetGoneError: every process has exited.
            TakenOverError: somebody else has taken DAMON; ``stop`` leaves it to them.
            KernelRejectedError: monitoring has ended, or was ended by somebody else.
        """
        damon, slot = self._session.damon, self._started()
        with self._tenant_first():
            damon.require_ours(slot)
            damon.flush()
            intervals = self._intervals = damon.tuned_intervals(slot)
            # Waiting for the regions takes longest: what is read after them is of the same time.
            regions = self._source.regions(intervals)
            stats = damon.stats(slot)[: len(self._schemes)]
            self._renew(stats)
            memory = host_memory(self._tree)
            usage = self._tenant.usage(memory)
            costs = self._costs.look(damon.pid(slot), memory)
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
                disk_in_us=self._disk_in_us,
                disk_swapped_share=costs.disk_swapped_share,
                swap_ins=costs.swap_ins,
                competing_us=costs.competing_us,
            )

    def apply(self, schemes: Sequence[Scheme], *, is_urgent: bool = False) -> None:
        """Replace the schemes, keeping regions, ages and the statistics of those that stay.

        Values that come faster than the quotas' reset interval are held back, until ``advance``
        or ``snapshot`` finds them due, unless the change ``is_urgent``.

        Raises:
            TargetGoneError: every process has exited.
            TakenOverError: somebody else has changed DAMON's files; ``stop`` leaves theirs alone.
            KernelRejectedError: names what was refused; the old schemes keep running.
        """
        slot = self._started()
        with self._tenant_first():
            self._session.damon.require_ours(slot, with_schemes=True)
            self._replace(self._leased(schemes), is_urgent)
        self._schemes = tuple(schemes)

    def retarget(self, pids: Sequence[int]) -> None:
        """Monitor these processes from the next ``apply`` on; regions of those that stay stay.

        Raises:
            TargetGoneError: none of them is there.
        """
        if not isinstance(self._tenant, ProcessGroup):
            raise ValueError("physical memory has no processes")
        with self._tree.sensible():
            self._tenant.change(pids)

    def reconfigure(self, *, swap_in_us: float, disk_in_us: float, lease_s: float) -> None:
        """Go on with other costs of a major fault, and leases of another length."""
        self._swap_in_us, self._disk_in_us = swap_in_us, disk_in_us
        if self._lease is not None:
            self._lease.last(lease_s)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that are monitored."""
        return self._tenant.pids

    @property
    def intervals(self) -> Intervals:
        """The monitoring intervals in force, as last seen."""
        return self._intervals

    def stop(self) -> None:
        """Stop monitoring; may be called again, and then tries what failed before.

        Raises:
            NotRestoredError: names what is left and the commands that mend it.
        """
        try:
            if self._slot is not None and self._session.is_open:
                self._session.damon.stop_one(self._slot)
                self._session.free_slot(self._slot)
        finally:
            self._source.close()
        self._slot = None

    def _leased(self, schemes: Sequence[Scheme]) -> tuple[Scheme, ...]:
        if self._lease is None or not self._session.damon.features.has(LEASE_FILE):
            return tuple(schemes)
        nr_targets = max(len(self._tenant.pids), 1)
        return self._lease.granted(
            schemes, self._intervals, self._kernel.now_us(), nr_targets=nr_targets
        )

    def _renew(self, stats: Sequence[SchemeStats]) -> None:
        """Let the next ``apply`` renew the lease, or do it now when there was none for long."""
        if self._lease is not None:
            now_us = self._kernel.now_us()
            self._lease.observe(stats, now_us)
            if self._lease.is_overdue(now_us):
                self._session.damon.require_ours(self._slot, with_schemes=True)
                self._replace(self._leased(self._schemes), is_urgent=False)

    def _replace(self, schemes: tuple[Scheme, ...], is_urgent: bool) -> None:
        damon, slot = self._session.damon, self._started()
        before = damon.running()[slot]
        wanted = KdamondSpec(
            self._with_those_alive(before.context),
            self._source.with_observer(schemes),
            before.refresh_ms,
        )
        without = observer_dropped(before, wanted)
        if without is None:
            damon.apply_one(slot, wanted, is_urgent=is_urgent)
            return
        damon.apply_one(slot, without)
        try:
            damon.apply_one(slot, wanted)
        except TunerError as error:
            self._come_back(before, error)
            raise

    def _with_those_alive(self, context: Context) -> Context:
        """The kernel refuses a change that names a process which has exited."""
        if not isinstance(self._tenant, ProcessGroup):
            return context
        known = {target.pid: target for target in context.targets}
        targets = tuple(known.get(pid, Target(pid)) for pid in self._tenant.pids)
        return context if targets == context.targets else replace(context, targets=targets)

    def _wait_until(self, time_us: int) -> None:
        # A time that has just passed: a negative wait for a process would never end.
        only = self._tenant.pids[0] if len(self._tenant.pids) == 1 else None
        self._kernel.wait(max(time_us - self._kernel.now_us(), 0) / 1e6, only)

    def _flush(self) -> int | None:
        try:
            with self._tree.sensible():
                return self._session.damon.flush() if self._session.is_open else None
        except TunerError:
            self._tenant.require()
            raise

    def _come_back(self, before: KdamondSpec, cause: TunerError) -> None:
        try:
            self._session.damon.apply_one(self._started(), before, is_urgent=True)
        except TunerError as error:
            raise KernelRejectedError(
                f"{cause}; the old schemes did not come back: {error}"
            ) from cause

    def _pids(self) -> tuple[int, ...]:
        return tuple(t.pid for t in self._context.targets if t.pid is not None)

    def _targeted(self) -> Context:
        if self._context.targets:
            return self._context
        return replace(self._context, targets=(Target(ranges=system_ram(self._tree)),))

    def _started(self) -> int:
        if self._slot is None:
            raise RuntimeError("this host is not started: call start first")
        return self._slot

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
