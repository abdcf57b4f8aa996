"""What one process's memory is made of."""

from __future__ import annotations

from dataclasses import dataclass

from damon_tuner.kernel_iface.sysfs.observe.table import Table
from damon_tuner.kernel_iface.sysfs.tree import Tree


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Bytes from ``smaps_rollup``; "proportional" divides shared pages among their users."""

    resident_bytes: int
    proportional_bytes: int
    anonymous_bytes: int | None
    anon_huge_bytes: int | None
    shmem_huge_bytes: int | None
    file_huge_bytes: int | None
    swapped_bytes: int | None
    proportional_swapped_bytes: int | None
    locked_bytes: int | None


def process_memory(tree: Tree, pid: int) -> ProcessMemory | None:
    """Read a process's memory, or None where it is gone or has none, as kernel threads.

    The kernel walks the page tables with the process's memory map locked: do not ask often.

    Raises:
        NoPermissionError: it is another user's.
        KernelFileError: the file does not hold what it should.
    """
    path = f"proc/{pid}/smaps_rollup"
    text = tree.read_if_present(path)
    if not text:  # none at all, or that of a process that is about to be gone
        return None
    table = Table.parse(path, text)
    return ProcessMemory(
        resident_bytes=table.needed("Rss") << 10,
        proportional_bytes=table.needed("Pss") << 10,
        anonymous_bytes=table.kib("Anonymous"),
        anon_huge_bytes=table.kib("AnonHugePages"),
        shmem_huge_bytes=table.kib("ShmemPmdMapped"),
        file_huge_bytes=table.kib("FilePmdMapped"),
        swapped_bytes=table.kib("Swap"),
        proportional_swapped_bytes=table.kib("SwapPss"),
        locked_bytes=table.kib("Locked"),
    )
