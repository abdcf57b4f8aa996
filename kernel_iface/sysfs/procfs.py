"""What the kernel tells about the whole host: memory, swap, pressure, physical ranges."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from damon_tuner.errors import DamonMissingError, NoPermissionError
from damon_tuner.kernel_iface.sysfs.tree import Tree

PAGE_SIZE = 4096
"""The unit in which DAMON aligns regions (its ``min_region_sz``)."""

_PRESSURE = "proc/pressure/memory"
_IOMEM_LINE = re.compile(r"^\s*([0-9a-f]+)-([0-9a-f]+) : System RAM\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Memory:
    """The host's memory and swap, in bytes; the pool is what zram and zswap occupy."""

    total_bytes: int
    free_bytes: int
    swap_total_bytes: int
    swap_free_bytes: int
    pool_bytes: int


def memory(tree: Tree) -> Memory:
    """Read meminfo and the zram devices."""
    info = _fields(tree.read("proc/meminfo"))
    return Memory(
        total_bytes=info["MemTotal:"] << 10,
        free_bytes=info["MemFree:"] << 10,
        swap_total_bytes=info["SwapTotal:"] << 10,
        swap_free_bytes=info["SwapFree:"] << 10,
        pool_bytes=(info.get("Zswap:", 0) << 10) + _zram_bytes(tree),
    )


def pressure_some_us(tree: Tree) -> int:
    """Return how long at least one task has waited for memory since boot.

    Raises:
        DamonMissingError: the kernel does not measure pressure.
    """
    text = tree.read_if_present(_PRESSURE)
    if text is None:
        raise DamonMissingError(
            f"this kernel does not measure memory pressure (/{_PRESSURE}): "
            "boot with psi=1, or use a kernel built with CONFIG_PSI"
        )
    some = text.splitlines()[0]
    return int(some.rpartition("total=")[2])


def major_faults(tree: Tree) -> int:
    """Return the major faults of all processes since boot."""
    return _fields(tree.read("proc/vmstat"))["pgmajfault"]


def cpu_time_us(tree: Tree) -> int:
    """Return the time that all CPUs have spent in user space and in the kernel since boot."""
    user, nice, system, _idle, _iowait, irq, softirq = (
        int(ticks) for ticks in tree.read("proc/stat").split()[1:8]
    )
    return ticks_to_us(user + nice + system + irq + softirq)


def ticks_to_us(ticks: int) -> int:
    """Convert the kernel's clock ticks."""
    return ticks * 1_000_000 // os.sysconf("SC_CLK_TCK")


def system_ram(tree: Tree) -> tuple[tuple[int, int], ...]:
    """Return every range of system RAM as ``(start, end)``, whole pages only, in order.

    The ranges stay apart: one span over all of them would make DAMON sample the holes between
    them, which can never be accessed, and report them as cold memory.

    Raises:
        NoPermissionError: the kernel hides physical addresses from this user.
    """
    found = _IOMEM_LINE.finditer(tree.read("proc/iomem"))
    raw = sorted((int(match[1], 16), int(match[2], 16) + 1) for match in found)
    if not raw or raw[-1][1] <= 1:
        raise NoPermissionError("/proc/iomem hides the physical addresses: run as root")
    aligned = ((_round_up(start), end // PAGE_SIZE * PAGE_SIZE) for start, end in raw)
    return tuple((start, end) for start, end in aligned if start < end)


def _round_up(address: int) -> int:
    return -(-address // PAGE_SIZE) * PAGE_SIZE


def _zram_bytes(tree: Tree) -> int:
    total = 0
    for name in tree.names("sys/block"):
        if name.startswith("zram"):
            counters = tree.read_if_present(f"sys/block/{name}/mm_stat")
            total += int(counters.split()[2]) if counters else 0  # mem_used_total
    return total


def _fields(text: str) -> dict[str, int]:
    """Return the second word of each line by its first word."""
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1}
