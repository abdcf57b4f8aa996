"""Where physical memory is."""

from __future__ import annotations

import re

from damon_tuner.errors import NoPermissionError
from damon_tuner.kernel_iface.sysfs.tree import Tree

PAGE_SIZE = 4096
"""The unit in which DAMON aligns regions (its ``min_region_sz``)."""

_IOMEM_LINE = re.compile(r"^\s*([0-9a-f]+)-([0-9a-f]+) : System RAM\b", re.MULTILINE)


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
