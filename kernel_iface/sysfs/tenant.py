"""Whose memory is managed: one process, or the whole host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from damon_tuner.errors import TargetGoneError
from damon_tuner.kernel_iface.sysfs.observe.counters import major_faults
from damon_tuner.kernel_iface.sysfs.observe.cpu import cpu_time_us, ticks_to_us
from damon_tuner.kernel_iface.sysfs.observe.memory import Memory
from damon_tuner.kernel_iface.sysfs.tree import Tree

# Positions in /proc/<pid>/stat after the command name, whose own words may be anything.
_STATE, _MAJFLT, _UTIME, _STIME, _STARTTIME = 0, 9, 11, 12, 19

_DEAD_STATES = ("Z", "X", "x")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tenant holds now (bytes) and has spent so far."""

    resident_bytes: int
    swapped_bytes: int
    major_faults: int
    cpu_time_us: int


class Tenant(Protocol):
    """A process or the host."""

    @property
    def pids(self) -> tuple[int, ...]:
        """Its processes, if it is not the host."""

    def require(self) -> None:
        """Check that it is still there; raises ``TargetGoneError``."""

    def usage(self, memory: Memory) -> Usage:
        """Measure it, given the host's memory; raises ``TargetGoneError``."""


class ProcessTenant:
    """One process. A zombie is gone, and so is one whose number was given to another."""

    def __init__(self, tree: Tree, pid: int) -> None:
        """Note when the process was started; raises ``TargetGoneError`` if there is none."""
        self._tree = tree
        self._pid = pid
        self._start_ticks: str | None = None
        self._start_ticks = self._stat()[_STARTTIME]
        self._status()

    @property
    def pid(self) -> int:
        """The process."""
        return self._pid

    def require(self) -> None:
        """Check that the process lives; raises ``TargetGoneError``."""
        self._stat()

    def usage(self, memory: Memory) -> Usage:
        """Measure the process; raises ``TargetGoneError``.

        ``VmRSS`` and ``VmSwap`` are counters that cost nothing to read, where ``smaps_rollup``
        walks the page tables with the process's memory map locked. Swapped shared memory is in
        neither, nor can page-out through one process be credited with it.
        """
        sizes = self._status()
        stat = self._stat()
        return Usage(
            resident_bytes=sizes["VmRSS:"] << 10,
            swapped_bytes=sizes["VmSwap:"] << 10,
            major_faults=int(stat[_MAJFLT]),
            cpu_time_us=ticks_to_us(int(stat[_UTIME]) + int(stat[_STIME])),
        )

    def _stat(self) -> list[str]:
        text = self._tree.read_if_present(f"proc/{self._pid}/stat")
        if text is None:
            raise TargetGoneError(f"process {self._pid} has exited or never existed")
        fields = text.rpartition(")")[2].split()
        if fields[_STATE] in _DEAD_STATES:
            raise TargetGoneError(f"process {self._pid} has exited and waits to be reaped")
        if self._start_ticks not in (None, fields[_STARTTIME]):
            raise TargetGoneError(
                f"process {self._pid} has exited; its number now belongs to another process"
            )
        return fields

    def _status(self) -> dict[str, int]:
        text = self._tree.read_if_present(f"proc/{self._pid}/status") or ""
        sizes = {
            words[0]: int(words[1])
            for words in map(str.split, text.splitlines())
            if words and words[0] in ("VmRSS:", "VmSwap:")
        }
        if len(sizes) < 2:
            raise TargetGoneError(
                f"process {self._pid} has no memory of its own: it is exiting, or a kernel thread"
            )
        return sizes


class ProcessGroup:
    """Several processes. Those that exit are counted for what they have spent until then."""

    def __init__(self, tree: Tree, pids: Sequence[int]) -> None:
        """Take those of ``pids`` that are there; raises ``TargetGoneError`` when none is."""
        self._tree = tree
        self._members: dict[int, ProcessTenant] = {}
        # What each process had spent when it was last looked at, and all of them since the start.
        self._seen: dict[int, Usage] = {}
        self._major_faults = self._cpu_time_us = 0
        self._is_measured = False
        self.change(pids)

    @property
    def pids(self) -> tuple[int, ...]:
        """Those that were there when they were last looked at."""
        return tuple(self._members)

    def change(self, pids: Sequence[int]) -> None:
        """Be these processes; raises ``TargetGoneError`` when none of them is there."""
        gone: TargetGoneError | None = None
        members = {}
        for pid in pids:
            try:
                members[pid] = self._members.get(pid) or ProcessTenant(self._tree, pid)
            except TargetGoneError as error:
                gone = error
        if not members:
            raise gone or TargetGoneError("there is no process")
        self._members = members
        self._seen = {pid: usage for pid, usage in self._seen.items() if pid in members}

    def require(self) -> None:
        """Drop those that have exited; raises ``TargetGoneError`` when that is all."""
        self._drop_gone(lambda member: member.require())

    def usage(self, memory: Memory) -> Usage:
        """Measure them together; raises ``TargetGoneError``."""
        usages: list[Usage] = []
        self._drop_gone(lambda member: usages.append(self._counted(member, memory)))
        self._is_measured = True
        return Usage(
            resident_bytes=sum(usage.resident_bytes for usage in usages),
            swapped_bytes=sum(usage.swapped_bytes for usage in usages),
            major_faults=self._major_faults,
            cpu_time_us=self._cpu_time_us,
        )

    def _counted(self, member: ProcessTenant, memory: Memory) -> Usage:
        usage = member.usage(memory)
        # A newcomer has spent all it ever did before it was one of these.
        before = self._seen.get(member.pid, usage if self._is_measured else Usage(0, 0, 0, 0))
        self._major_faults += usage.major_faults - before.major_faults
        self._cpu_time_us += usage.cpu_time_us - before.cpu_time_us
        self._seen[member.pid] = usage
        return usage

    def _drop_gone(self, look: Callable[[ProcessTenant], object]) -> None:
        for pid, member in tuple(self._members.items()):
            try:
                look(member)
            except TargetGoneError:
                if len(self._members) == 1:
                    raise
                del self._members[pid]
                self._seen.pop(pid, None)


class HostTenant:
    """Everything that runs on the host."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @property
    def pids(self) -> tuple[int, ...]:
        """All of them, and none in particular."""
        return ()

    def require(self) -> None:
        """The host is always there."""

    def usage(self, memory: Memory) -> Usage:
        """Measure the host: all memory in use, page cache included, is resident.

        The compressed pool is kept out of ``resident_bytes``: it holds what is swapped.
        """
        used_bytes = memory.total_bytes - memory.free_bytes
        return Usage(
            resident_bytes=max(0, used_bytes - memory.pool_bytes),
            swapped_bytes=memory.swap_total_bytes - memory.swap_free_bytes,
            major_faults=major_faults(self._tree),
            cpu_time_us=cpu_time_us(self._tree),
        )
