"""What the whole host has done with its pages since boot."""

from __future__ import annotations

from dataclasses import dataclass

from damon_tuner.errors import KernelFileError
from damon_tuner.kernel_iface.sysfs.observe.table import Table, counted
from damon_tuner.kernel_iface.sysfs.tree import Tree

_VMSTAT = "proc/vmstat"
_STALL = "allocstall_"
# from the device, from zswap's cache, and pages of zeros, which are stored nowhere
_SWAP_INS = ("pswpin", "zswpin", "swpin_zero")


@dataclass(frozen=True, slots=True)
class Counters:
    """Lines of ``/proc/vmstat`` under the kernel's names; None where this kernel has no such line.

    Pages, but for faults, stalls and ``thp_*``, which count events.
    """

    workingset_refault_anon: int | None
    workingset_refault_file: int | None
    workingset_activate_anon: int | None
    workingset_activate_file: int | None
    pgfault: int | None
    pgmajfault: int | None
    pswpin: int | None
    pswpout: int | None
    zswpin: int | None
    zswpout: int | None
    zswpwb: int | None
    pgmigrate_success: int | None
    pgmigrate_fail: int | None
    pgpromote_success: int | None
    pgpromote_candidate: int | None
    pgdemote_kswapd: int | None
    pgdemote_direct: int | None
    pgdemote_khugepaged: int | None
    pgdemote_proactive: int | None
    pgscan_kswapd: int | None
    pgscan_direct: int | None
    pgsteal_kswapd: int | None
    pgsteal_direct: int | None
    thp_fault_alloc: int | None
    thp_fault_fallback: int | None
    thp_collapse_alloc: int | None
    thp_collapse_alloc_failed: int | None
    thp_split_page: int | None
    thp_split_pmd: int | None
    thp_underused_split_page: int | None
    thp_migration_success: int | None
    thp_swpout: int | None
    thp_swpout_fallback: int | None
    oom_kill: int | None
    allocstall: int | None
    """Allocations that had to reclaim by themselves, in all zones."""


def counters(tree: Tree) -> Counters:
    """Read vmstat.

    Raises:
        KernelFileError: it is missing, or does not hold what it should.
    """
    table = Table.read(tree, _VMSTAT)
    if table is None:
        raise KernelFileError(f"/{_VMSTAT} is missing: mount /proc")
    stalls = [table.needed(name) for name in table.words if name.startswith(_STALL)]
    if not stalls:
        return counted(Counters, table)
    return counted(Counters, Table(_VMSTAT, {**table.words, "allocstall": str(sum(stalls))}))


def swap_ins(tree: Tree) -> int:
    """Return the pages that came back from swap since boot; 0 where the kernel has no swap."""
    table = Table.read(tree, _VMSTAT) or Table(_VMSTAT, {})
    return sum(table.number(name) or 0 for name in _SWAP_INS)


def major_faults(tree: Tree) -> int:
    """Return the major faults of all processes since boot."""
    return (Table.read(tree, _VMSTAT) or Table(_VMSTAT, {})).needed("pgmajfault")
