"""Where physical memory is."""

from __future__ import annotations

import re

from damon_tuner.errors import NoPermissionError
from damon_tuner.kernel_iface.sysfs.observe.blocks import MEMORY, block_size_bytes
from damon_tuner.kernel_iface.sysfs.observe.table import word
from damon_tuner.kernel_iface.sysfs.tree import Tree

PAGE_SIZE = 4096
"""The unit in which DAMON aligns regions (its ``min_region_sz``)."""

_NODES = "sys/devices/system/node"
_BLOCK = re.compile(r"memory([0-9]{1,9})")
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


def node_ranges(tree: Tree, node: int) -> tuple[tuple[int, int], ...]:
    """Return the ranges of system RAM that the online memory blocks of a node hold, in order.

    Raises:
        NoPermissionError: the kernel hides physical addresses from this user.
        KernelFileError: one of the files does not hold what it should.
    """
    size = block_size_bytes(tree)
    if size is None:
        return ()
    numbers = (_BLOCK.fullmatch(name) for name in tree.names(f"{_NODES}/node{node}"))
    online = sorted(
        int(match[1])
        for match in numbers
        if match and word(tree, f"{MEMORY}/{match[0]}/state") == "online"
    )
    blocks = _joined([(number * size, (number + 1) * size) for number in online])
    pieces = (
        (max(start, block_start), min(end, block_end))
        for start, end in system_ram(tree)
        for block_start, block_end in blocks
    )
    return _joined([(start, end) for start, end in pieces if start < end])


def _joined(pieces: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for start, end in pieces:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def _round_up(address: int) -> int:
    return -(-address // PAGE_SIZE) * PAGE_SIZE
