"""Where a tenant's memory is: on which nodes, and how much of it in huge pages.

A control group knows at once what it has where. Of a process only a walk through its page tables
tells, with its memory map locked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from damon_tuner.kernel_iface.sysfs.observe.process import process_memory
from damon_tuner.kernel_iface.sysfs.observe.table import Table, whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

# What its processes map, as in their resident memory.
_MAPPED = ("anon", "file_mapped")

_ON_NODE = re.compile(r"N([0-9]{1,9})=([0-9]{1,19})")
_PAGE_KIB = re.compile(r"kernelpagesize_kB=([0-9]{1,9})")
_USUAL_PAGE_KIB = 4


def group_by_node(tree: Tree, folder: str) -> Mapping[int, int] | None:
    """Return the mapped bytes of a control group by node; None where it does not tell.

    ``folder`` is the group's, below the kernel's root; groups below it count.

    Raises:
        KernelFileError: ``memory.numa_stat`` does not hold what it should.
    """
    path = f"{folder}/memory.numa_stat"
    text = tree.read_if_present(path)
    if text is None:
        return None
    found: Counter[int] = Counter()
    for line in text.splitlines():
        name, *words = line.split()
        if name in _MAPPED:
            for word in words:
                node, _, size = word.partition("=")
                found[whole(node.removeprefix("N"), path)] += whole(size, path)
    return found


def group_huge_bytes(tree: Tree, folder: str) -> int | None:
    """Return the anonymous huge pages of a control group; None where it does not tell.

    Raises:
        KernelFileError: ``memory.stat`` does not hold what it should.
    """
    stat = Table.read(tree, f"{folder}/memory.stat")
    return None if stat is None else stat.number("anon_thp")


def processes_by_node(tree: Tree, pids: Iterable[int]) -> Mapping[int, int]:
    """Return the resident bytes of processes by node; those that are gone have none.

    Pages that several of them share count for each. Walks page tables.

    Raises:
        NoPermissionError: one is another user's.
    """
    found: Counter[int] = Counter()
    for pid in pids:
        for line in (tree.read_if_present(f"proc/{pid}/numa_maps") or "").splitlines():
            words = line.split()
            units = [match for match in map(_PAGE_KIB.fullmatch, words) if match]
            page_bytes = int(units[-1][1] if units else _USUAL_PAGE_KIB) << 10
            for match in filter(None, map(_ON_NODE.fullmatch, words)):
                found[int(match[1])] += int(match[2]) * page_bytes
    return found


def processes_huge_bytes(tree: Tree, pids: Iterable[int]) -> int:
    """Return the anonymous huge pages of processes. Walks page tables.

    Raises:
        NoPermissionError: one is another user's.
        KernelFileError: ``smaps_rollup`` does not hold what it should.
    """
    memories = (process_memory(tree, pid) for pid in pids)
    return sum(memory.anon_huge_bytes or 0 for memory in memories if memory is not None)
