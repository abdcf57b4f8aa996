"""Zones of memory: the free pages below which the kernel begins to reclaim."""

from __future__ import annotations

import os
import re

from damon_tuner.kernel_iface.sysfs.observe.table import whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

_ZONEINFO = "proc/zoneinfo"
_NODE = re.compile(r"Node ([0-9]{1,9}), zone")


def high_watermark_bytes(tree: Tree) -> dict[int, int]:
    """Return, by node, what is free when its reclaim stops; it begins at less (``low``).

    Empty where the kernel does not tell.

    Raises:
        KernelFileError: a watermark is no number.
    """
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    found: dict[int, int] = {}
    node: int | None = None
    for line in (tree.read_if_present(_ZONEINFO) or "").splitlines():
        match = _NODE.match(line)
        if match:
            node = int(match[1])
        words = line.split()
        # The sets of each CPU have lines of that name too, with a colon.
        if node is not None and len(words) == 2 and words[0] == "high":
            found[node] = found.get(node, 0) + whole(words[1], _ZONEINFO) * page_bytes
    return found
