"""How the kernel hands out transparent huge pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from damon_tuner.kernel_iface.sysfs.observe.table import chosen, flag, number, whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

_THP = "sys/kernel/mm/transparent_hugepage"
KHUGEPAGED = f"{_THP}/khugepaged"
_SIZE = "hugepages-"


@dataclass(frozen=True, slots=True)
class Khugepaged:
    """The thread that collapses small pages into huge ones."""

    pages_to_scan: int | None
    scan_sleep_ms: int | None
    max_ptes_none: int | None
    """How many pages of a huge one may have never been touched: what collapse may bloat."""
    pages_collapsed: int | None
    """Since boot; a huge page counts once."""
    full_scans: int | None


@dataclass(frozen=True, slots=True)
class HugePages:
    """Settings; words are the kernel's."""

    enabled: str
    """``always``, ``madvise`` or ``never``."""
    defrag: str | None
    shmem_enabled: str | None
    size_bytes: int | None
    """Of one that a page-table entry of the second level maps."""
    shrink_underused: bool | None
    """Whether huge pages of mostly zeros are split when memory is short (6.12)."""
    sizes: Mapping[int, str]
    """The setting of each size in bytes (6.8), ``inherit`` where ``enabled`` decides."""
    khugepaged: Khugepaged


def huge_pages(tree: Tree) -> HugePages | None:
    """Read the settings, or None where the kernel has no transparent huge pages.

    Raises:
        KernelFileError: one of the files does not hold what it should.
    """
    enabled = chosen(tree, f"{_THP}/enabled")
    if enabled is None:
        return None
    return HugePages(
        enabled=enabled,
        defrag=chosen(tree, f"{_THP}/defrag"),
        shmem_enabled=chosen(tree, f"{_THP}/shmem_enabled"),
        size_bytes=number(tree, f"{_THP}/hpage_pmd_size"),
        shrink_underused=flag(tree, f"{_THP}/shrink_underused"),
        sizes=_sizes(tree),
        khugepaged=_khugepaged(tree, KHUGEPAGED),
    )


def _sizes(tree: Tree) -> dict[int, str]:
    sizes = {}
    for name in tree.names(_THP):
        if name.startswith(_SIZE):
            kib = whole(name.removeprefix(_SIZE).removesuffix("kB"), f"{_THP}/{name}")
            setting = chosen(tree, f"{_THP}/{name}/enabled")
            if setting is not None:
                sizes[kib << 10] = setting
    return dict(sorted(sizes.items()))


def _khugepaged(tree: Tree, folder: str) -> Khugepaged:
    return Khugepaged(
        pages_to_scan=number(tree, f"{folder}/pages_to_scan"),
        scan_sleep_ms=number(tree, f"{folder}/scan_sleep_millisecs"),
        max_ptes_none=number(tree, f"{folder}/max_ptes_none"),
        pages_collapsed=number(tree, f"{folder}/pages_collapsed"),
        full_scans=number(tree, f"{folder}/full_scans"),
    )
