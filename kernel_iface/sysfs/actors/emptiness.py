"""How much of a memory block is in use: what its content costs to move elsewhere."""

from __future__ import annotations

import os
import struct

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.observe.blocks import MemoryBlock
from damon_tuner.kernel_iface.sysfs.tree import Tree

# 64 bits a page, by frame number; for root only, and only with CONFIG_PROC_PAGE_MONITOR.
PAGE_FLAGS = "proc/kpageflags"
_FLAGS_BYTES = 8
_FREE = 1 << 10  # KPF_BUDDY, on every page that the allocator has to give
_ABSENT = 1 << 20  # KPF_NOPAGE

# Sixteen looks at 64 pages cost about as much for a block of 2 GiB as for one of 128 MiB.
_NR_STRETCHES = 16
_STRETCH_PAGES = 64


def used_permille(tree: Tree, block: MemoryBlock) -> int | None:
    """Estimate, from 1,024 of its pages, what share of a block is in use; None: cannot tell."""
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    pages = block.size_bytes // page_bytes
    stride = max(_STRETCH_PAGES, pages // _NR_STRETCHES)
    used = seen = 0
    for first in range(0, pages, stride):
        try:
            at = (block.number * pages + first) * _FLAGS_BYTES
            found = tree.read_at(PAGE_FLAGS, at, min(_STRETCH_PAGES, pages - first) * _FLAGS_BYTES)
        except TunerError:
            return None
        flags = struct.unpack(f"={len(found) // _FLAGS_BYTES}Q", found)
        seen += len(flags)
        used += sum(not word & (_FREE | _ABSENT) for word in flags)
    return used * 1_000 // seen if seen else None
