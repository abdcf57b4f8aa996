"""Control groups, version 2: memory, swap, pressure and refaults of each."""

from __future__ import annotations

from dataclasses import dataclass

from damon_tuner.kernel_iface.sysfs.observe.pressure import Pressure, pressure
from damon_tuner.kernel_iface.sysfs.observe.table import Table, counted, number, whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

# The second is where a host that still has version 1 for its controllers keeps version 2.
_MOUNTS = ("sys/fs/cgroup", "sys/fs/cgroup/unified")

CONTROLLERS = frozenset(
    ("cgroup", "cpu", "cpuset", "dmem", "hugetlb", "io", "irq", "memory", "misc", "pids", "rdma")
)
"""What the files of a group are called after, as far as is known: no group is called so."""


@dataclass(frozen=True, slots=True)
class CgroupMount:
    """Where version 2 is mounted."""

    path: str
    """Without a leading slash, as all paths that :class:`Tree` takes."""
    controllers: tuple[str, ...]
    """What the kernel lets this hierarchy control."""
    delegated: tuple[str, ...]
    """What the groups below the root can use."""


@dataclass(frozen=True, slots=True)
class CgroupSizes:
    """Lines of ``memory.stat`` that are bytes, under the kernel's names."""

    anon: int | None
    file: int | None
    shmem: int | None
    kernel: int | None
    zswap: int | None
    zswapped: int | None
    anon_thp: int | None
    inactive_anon: int | None
    active_anon: int | None
    inactive_file: int | None
    active_file: int | None


@dataclass(frozen=True, slots=True)
class CgroupCounters:
    """Lines of ``memory.stat`` that only grow, under the kernel's names, as in ``Counters``."""

    workingset_refault_anon: int | None
    workingset_refault_file: int | None
    pgfault: int | None
    pgmajfault: int | None
    pgscan: int | None
    pgsteal: int | None
    pswpin: int | None
    pswpout: int | None
    zswpin: int | None
    zswpout: int | None
    pgpromote_success: int | None
    pgdemote_kswapd: int | None
    pgdemote_direct: int | None
    pgdemote_khugepaged: int | None
    pgdemote_proactive: int | None
    thp_fault_alloc: int | None
    thp_collapse_alloc: int | None
    thp_swpout: int | None


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One group, with all groups below it. The root has neither sizes nor limits of its own."""

    path: str
    memory_bytes: int | None
    swap_bytes: int | None
    zswap_bytes: int | None
    limit_bytes: int | None
    """None is no limit."""
    pressure: Pressure | None
    sizes: CgroupSizes
    counters: CgroupCounters


def cgroup_mount(tree: Tree) -> CgroupMount | None:
    """Find version 2, or None where it is not mounted."""
    for path in _MOUNTS:
        controllers = tree.read_if_present(f"{path}/cgroup.controllers")
        if controllers is not None:
            delegated = tree.read_if_present(f"{path}/cgroup.subtree_control") or ""
            return CgroupMount(path, tuple(controllers.split()), tuple(delegated.split()))
    return None


def cgroup(tree: Tree, mount: CgroupMount, path: str) -> Cgroup | None:
    """Read the group at ``path`` below the mount; None where there is no such group.

    None as well where the memory controller is not switched on for it.

    Raises:
        KernelFileError: one of the files does not hold what it should.
        ValueError: ``path`` leads out of the mount.
    """
    folder = group_folder(mount, path)
    stat = Table.read(tree, f"{folder}/memory.stat")
    if stat is None:
        return None
    return Cgroup(
        path=folder.removeprefix(mount.path).strip("/"),
        memory_bytes=number(tree, f"{folder}/memory.current"),
        swap_bytes=number(tree, f"{folder}/memory.swap.current"),
        zswap_bytes=number(tree, f"{folder}/memory.zswap.current"),
        limit_bytes=_limit(tree, f"{folder}/memory.max"),
        pressure=pressure(tree, f"{folder}/memory.pressure"),
        sizes=counted(CgroupSizes, stat),
        counters=counted(CgroupCounters, stat),
    )


def group_folder(mount: CgroupMount, path: str) -> str:
    """Return where the files of the group at ``path`` below the mount are.

    Raises:
        ValueError: ``path`` leads out of the mount.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"{path!r} leads out of the control groups")
    return "/".join([mount.path, *parts])


def _limit(tree: Tree, path: str) -> int | None:
    text = tree.read_if_present(path)
    return None if text in (None, "max") else whole(text, path)
