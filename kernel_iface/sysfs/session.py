"""DAMON of this host, taken for one run: lock, journal, trace, and room for tenants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from damon_tuner.errors import NotRestoredError, TunerError
from damon_tuner.kernel_iface.host import Context
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.journal import state_dir as usual_state_dir
from damon_tuner.kernel_iface.sysfs.kernel import Kernel, LocalKernel
from damon_tuner.kernel_iface.sysfs.ledger import Ledger, refuse_leftover
from damon_tuner.kernel_iface.sysfs.lock import take_lock
from damon_tuner.kernel_iface.sysfs.observe.pressure import pressure_some_us
from damon_tuner.kernel_iface.sysfs.occupants import (
    DAMON_STAT_ENABLED,
    is_on,
    require_damon,
    require_unused,
)
from damon_tuner.kernel_iface.sysfs.region_source import RegionsBy, RegionSource, region_source
from damon_tuner.kernel_iface.sysfs.tree import Access, Tree
from damon_tuner.kernel_iface.tracing import SharedTrace, Tap, TraceInstance
from damon_tuner.signals import signals_held

# What one region takes in a trace buffer, and how many aggregations are to fit.
_EVENT_BYTES = 80
_BUFFERED_AGGREGATIONS = 2
_LEAST_BUFFER_BYTES = 128 << 10


class Session:
    """Owns what all tenants share, from ``open`` to ``close``.

    ``nr_slots`` is how many tenants there can be at a time: each is a kdamond, and only stopping
    everything could change their number. ``root`` is where the host's ``/proc`` and ``/sys`` are
    mounted, ``busy_timeout_s`` how long to insist when DAMON's lock is taken; ``record`` is told
    of every access to a file, and ``kernel`` replaces the machine in tests. What is changed is in
    a journal in ``state_dir`` first; tests with a ``kernel`` can do without. ``regions_by`` says
    how regions are read: by the ``trace``, which is cheap and never waits, by the ``files``, or
    ``auto``, which takes the trace where it can be had. The trace instance has the usual name:
    who traces meanwhile gives theirs another, or reads the ``files`` here.

    As a context manager it closes on leaving.
    """

    def __init__(
        self,
        nr_slots: int = 1,
        *,
        root: Path = Path("/"),
        busy_timeout_s: float = 10.0,
        record: Callable[[Access], None] | None = None,
        kernel: Kernel | None = None,
        state_dir: Path | None = None,
        regions_by: RegionsBy = "auto",
    ) -> None:
        self.kernel = kernel or LocalKernel(root)
        self.tree = Tree(self.kernel, busy_timeout_s=busy_timeout_s, record=record)
        self._root = root if kernel is None else None
        self._state_dir = state_dir if kernel is not None else usual_state_dir(root, state_dir)
        self._regions_by: RegionsBy = regions_by
        self._ledger = Ledger(self.tree, self._state_dir)
        self._damon: Damon | None = None
        self._trace: SharedTrace | None = None
        self._unlock: Callable[[], None] | None = None
        self._nr_slots = nr_slots
        self._taken: set[int] = set()

    def check(self) -> None:
        """Refuse what ``open`` would refuse of the kernel and its users, writing nothing."""
        if self._ledger.changes:
            raise RuntimeError("this host is started, or was not put back: call stop first")
        require_damon(self.tree)
        if self._state_dir is not None:
            refuse_leftover(self.tree, self._state_dir)
        require_unused(self.tree)
        with self.tree.sensible():
            pressure_some_us(self.tree)

    def open(self) -> None:
        """Take DAMON; on any failure the host is as it was.

        Raises:
            DamonMissingError: this kernel lacks DAMON, or pressure information.
            DamonBusyError: names who uses DAMON already; nothing was written.
            LeftoverError: a killed run has left changes: says how to put them back.
            JournalError: the journal cannot be written; nothing was changed.
            NoPermissionError: not root.
            NotRestoredError: it failed, and something could not be put back.
        """
        self.check()
        with self.undone_on_failure():
            self._unlock = take_lock(self.kernel, self._state_dir)
            with self.tree.sensible():
                if is_on(self.tree.read_if_present(DAMON_STAT_ENABLED)):
                    self._ledger.write(DAMON_STAT_ENABLED, "N")
                damon = Damon(self.tree, self._ledger)
                damon.take(self._nr_slots)
            self._damon = damon

    def close(self) -> None:
        """Put everything back; may be called at any time, any number of times.

        Raises:
            NotRestoredError: names what is left and the commands that mend it.
        """
        self._damon = None
        try:
            self._ledger.restore()
        finally:
            try:
                self._close_trace()
            finally:
                self._release()

    @property
    def damon(self) -> Damon:
        """DAMON, as long as the session is open."""
        if self._damon is None:
            raise RuntimeError("this host is not started: call start first")
        return self._damon

    @property
    def ledger(self) -> Ledger:
        """What remembers changes, and puts them back at ``close``."""
        return self._ledger

    @property
    def is_open(self) -> bool:
        """Whether DAMON is taken."""
        return self._damon is not None

    @property
    def has_changes(self) -> bool:
        """Whether something on the host is not as it was: it is open, or not all was put back."""
        return bool(self._ledger.changes)

    def take_slot(self) -> int:
        """Return the number of a kdamond that is off, for one tenant.

        Raises:
            TunerError: there is a tenant in each.
        """
        free = [slot for slot in range(self._nr_slots) if slot not in self._taken]
        if not free:
            raise TunerError(
                f"all {self._nr_slots} places for tenants are taken: raise max_tenants"
            )
        self._taken.add(free[0])
        return free[0]

    def free_slot(self, slot: int) -> None:
        """Give back what ``take_slot`` gave; its kdamond is off."""
        self._taken.discard(slot)

    def region_source(self, context: Context) -> RegionSource:
        """Open the way to see the regions of one tenant; raises what ``region_source`` does."""

        def tap(event: str) -> Tap:
            return self._tap(event, context.attrs.max_nr_regions)

        has_trace = self._root is not None
        return region_source(self._regions_by, context, self.kernel, tap if has_trace else None)

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Close the session when the block fails, and say what could not be put back."""
        try:
            yield
        except BaseException as cause:
            try:
                self.close()
            except NotRestoredError as left:
                if isinstance(cause, Exception):
                    raise NotRestoredError(f"{cause}; {left}") from cause
                cause.add_note(str(left))
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tap(self, event: str, max_nr_regions: int) -> Tap:
        # A trace that nobody knows of could not be removed.
        with signals_held():
            if self._trace is None:
                self._trace = self._opened_trace(event, max_nr_regions)
            if event not in self._trace.trace.events:
                raise TunerError("the trace of this session records other events: read the files")
            return self._trace.tap()

    def _opened_trace(self, event: str, max_nr_regions: int) -> SharedTrace:
        aggregations = max(_BUFFERED_AGGREGATIONS, self._nr_slots)
        needed_bytes = max_nr_regions * _EVENT_BYTES * aggregations
        trace = TraceInstance(
            [event],
            buffer_bytes=max(needed_bytes, _LEAST_BUFFER_BYTES),
            root=self._root or Path("/"),
        )
        trace.open()
        return SharedTrace(trace)

    def _close_trace(self) -> None:
        trace = self._trace
        if trace is not None:
            trace.close()
            self._trace = None

    def _release(self) -> None:
        self._taken.clear()
        unlock, self._unlock = self._unlock, None
        if unlock is not None:
            unlock()
