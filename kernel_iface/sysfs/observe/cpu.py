"""Time that CPUs have spent."""

from __future__ import annotations

import os

from damon_tuner.kernel_iface.sysfs.observe.table import unreadable, whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

_STAT = "proc/stat"


def cpu_time_us(tree: Tree) -> int:
    """Return the time that all CPUs have spent in user space and in the kernel since boot.

    Raises:
        KernelFileError: ``/proc/stat`` does not hold what it should.
    """
    line = tree.read(_STAT).partition("\n")[0]
    words = line.split()
    if len(words) < 8 or words[0] != "cpu":
        raise unreadable(_STAT, line, "cpu and its times")
    user, nice, system, _idle, _iowait, irq, softirq = (whole(word, _STAT) for word in words[1:8])
    return ticks_to_us(user + nice + system + irq + softirq)


def ticks_to_us(ticks: int) -> int:
    """Convert the kernel's clock ticks."""
    return ticks * 1_000_000 // os.sysconf("SC_CLK_TCK")
