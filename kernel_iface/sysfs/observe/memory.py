"""The host's memory and swap in use."""

from __future__ import annotations

from dataclasses import dataclass

from damon_tuner.kernel_iface.sysfs.observe.swap import zram_devices
from damon_tuner.kernel_iface.sysfs.observe.table import Table
from damon_tuner.kernel_iface.sysfs.tree import Tree

_MEMINFO = "proc/meminfo"


@dataclass(frozen=True, slots=True)
class Memory:
    """The host's memory and swap, in bytes; the pool is what zram and zswap occupy."""

    total_bytes: int
    free_bytes: int
    swap_total_bytes: int
    swap_free_bytes: int
    pool_bytes: int
    available_bytes: int | None = None
    anon_huge_bytes: int | None = None
    zswap_pool_bytes: int | None = None
    zswap_stored_bytes: int | None = None
    """What zswap's pages held before compression."""


def memory(tree: Tree) -> Memory:
    """Read meminfo and the zram devices."""
    info = Table.read(tree, _MEMINFO) or Table(_MEMINFO, {})
    zswap_pool_bytes = info.kib("Zswap")
    zram_bytes = sum(device.used_bytes for device in zram_devices(tree))
    return Memory(
        total_bytes=info.needed("MemTotal") << 10,
        free_bytes=info.needed("MemFree") << 10,
        swap_total_bytes=info.needed("SwapTotal") << 10,
        swap_free_bytes=info.needed("SwapFree") << 10,
        pool_bytes=(zswap_pool_bytes or 0) + zram_bytes,
        available_bytes=info.kib("MemAvailable"),
        anon_huge_bytes=info.kib("AnonHugePages"),
        zswap_pool_bytes=zswap_pool_bytes,
        zswap_stored_bytes=info.kib("Zswapped"),
    )
