"""Time that CPUs have spent."""

from __future__ import annotations

import os
from dataclasses import dataclass

from damon_tuner.kernel_iface.sysfs.observe.table import unreadable, whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

_STAT = "proc/stat"


@dataclass(frozen=True, slots=True)
class HostCpu:
    """What all CPUs together have done since boot."""

    busy_us: int
    """In user space and in the kernel."""
    idle_us: int
    """Waiting for storage counts as idle: another task could run."""


def host_cpu(tree: Tree) -> HostCpu:
    """Read what all CPUs have done.

    Raises:
        KernelFileError: ``/proc/stat`` does not hold what it should.
    """
    line = tree.read(_STAT).partition("\n")[0]
    words = line.split()
    if len(words) < 8 or words[0] != "cpu":
        raise unreadable(_STAT, line, "cpu and its times")
    user, nice, system, idle, iowait, irq, softirq = (whole(word, _STAT) for word in words[1:8])
    return HostCpu(ticks_to_us(user + nice + system + irq + softirq), ticks_to_us(idle + iowait))


def cpu_time_us(tree: Tree) -> int:
    """Return the time that all CPUs have spent in user space and in the kernel since boot.

    Raises:
        KernelFileError: ``/proc/stat`` does not hold what it should.
    """
    return host_cpu(tree).busy_us


def thread_time_us(tree: Tree, pid: int) -> int | None:
    """Return the CPU time that a kernel thread has taken, or None where it is gone.

    Raises:
        KernelFileError: its ``stat`` does not hold what it should.
    """
    path = f"proc/{pid}/stat"
    text = tree.read_if_present(path)
    if text is None:
        return None
    # the name may hold blanks and brackets
    words = text.rpartition(")")[2].split()
    if len(words) < 13:
        raise unreadable(path, text, "a process's times")
    return ticks_to_us(whole(words[11], path) + whole(words[12], path))


def ticks_to_us(ticks: int) -> int:
    """Convert the kernel's clock ticks."""
    return ticks * 1_000_000 // os.sysconf("SC_CLK_TCK")
