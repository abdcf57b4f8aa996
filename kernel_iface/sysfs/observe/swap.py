"""Where pages can be paged out to: swap devices, zram, zswap."""

from __future__ import annotations

from dataclasses import dataclass

from damon_tuner.kernel_iface.sysfs.observe.table import (
    chosen,
    flag,
    number,
    unreadable,
    whole,
    word,
)
from damon_tuner.kernel_iface.sysfs.tree import Tree

_SWAPS = "proc/swaps"
_ZSWAP = "sys/module/zswap/parameters"

_PAGE_CLUSTER = "proc/sys/vm/page-cluster"
_USUAL_CLUSTER, _MOST_CLUSTER = 3, 10


@dataclass(frozen=True, slots=True)
class SwapDevice:
    """One line of ``/proc/swaps``."""

    path: str
    kind: str
    """``partition`` or ``file``."""
    size_bytes: int
    used_bytes: int
    priority: int
    """The device of the highest priority is filled first."""

    @property
    def is_zram(self) -> bool:
        """Tell whether it is compressed memory."""
        name = self.path.rpartition("/")[2]
        return self.kind == "partition" and name.startswith("zram")


@dataclass(frozen=True, slots=True)
class Zram:
    """A device of compressed memory."""

    name: str
    size_bytes: int
    """How much it can take, before compression; 0 when it is not set up."""
    stored_bytes: int
    """What it holds, before compression."""
    used_bytes: int
    """Memory that it occupies."""
    algorithm: str | None
    backing_device: str | None
    """Where idle pages can be written back to."""


@dataclass(frozen=True, slots=True)
class Zswap:
    """The compressed cache in front of swap devices."""

    enabled: bool
    compressor: str | None
    max_pool_percent: int | None
    shrinker: bool | None
    """Whether cold pages are written back to the swap device."""


def swap_devices(tree: Tree) -> tuple[SwapDevice, ...]:
    """Return what is swapped to, in the order of use; raises ``KernelFileError``."""
    text = tree.read_if_present(_SWAPS) or ""
    devices = [_swap_device(line) for line in text.splitlines()[1:]]
    return tuple(sorted(devices, key=lambda device: -device.priority))


def zram_devices(tree: Tree) -> tuple[Zram, ...]:
    """Return the zram devices, in use or not; raises ``KernelFileError``."""
    names = (name for name in tree.names("sys/block") if name.startswith("zram"))
    return tuple(device for device in (_zram(tree, name) for name in names) if device)


def zswap(tree: Tree) -> Zswap | None:
    """Return zswap's settings, or None where the kernel has none; raises ``KernelFileError``."""
    enabled = flag(tree, f"{_ZSWAP}/enabled")
    if enabled is None:
        return None
    return Zswap(
        enabled=enabled,
        compressor=word(tree, f"{_ZSWAP}/compressor"),
        max_pool_percent=number(tree, f"{_ZSWAP}/max_pool_percent"),
        shrinker=flag(tree, f"{_ZSWAP}/shrinker_enabled"),
    )


def compresses_first(tree: Tree) -> bool:
    """Tell whether what is paged out now stays in memory, compressed; raises as the others do."""
    devices, cache = swap_devices(tree), zswap(tree)
    is_cached = cache is not None and cache.enabled
    return bool(devices) and (is_cached or devices[0].is_zram)


def disk_swapped_share(tree: Tree, zswap_stored_bytes: int) -> float:
    """Return which share of what is swapped out lies on disks; raises ``KernelFileError``.

    What zswap holds has its place on a device as well, and does not lie there.
    """
    devices = swap_devices(tree)
    used_bytes = sum(device.used_bytes for device in devices)
    placed_bytes = sum(device.used_bytes for device in devices if not device.is_zram)
    return max(placed_bytes - zswap_stored_bytes, 0) / used_bytes if used_bytes else 0.0


def _swap_device(line: str) -> SwapDevice:
    # Blanks in the path are written as \040.
    words = line.split()
    if len(words) != 5:
        raise unreadable(_SWAPS, line, "a line of five words")
    path, kind, size, used, priority = words
    sign = -1 if priority.startswith("-") else 1
    return SwapDevice(
        path=path,
        kind=kind,
        size_bytes=whole(size, _SWAPS) << 10,
        used_bytes=whole(used, _SWAPS) << 10,
        priority=sign * whole(priority.removeprefix("-"), _SWAPS),
    )


def _zram(tree: Tree, name: str) -> Zram | None:
    folder = f"sys/block/{name}"
    text = tree.read_if_present(f"{folder}/mm_stat")
    if text is None:
        return None
    counters = text.split()
    if len(counters) < 3:
        raise unreadable(f"{folder}/mm_stat", text, "three numbers or more")
    backing = tree.read_if_present(f"{folder}/backing_dev")
    return Zram(
        name=name,
        size_bytes=number(tree, f"{folder}/disksize") or 0,
        stored_bytes=whole(counters[0], f"{folder}/mm_stat"),
        used_bytes=whole(counters[2], f"{folder}/mm_stat"),
        algorithm=chosen(tree, f"{folder}/comp_algorithm"),
        backing_device=None if backing in (None, "", "none") else backing,
    )


def readahead_pages(tree: Tree) -> int:
    """Return how many pages one fault brings from swap; raises ``KernelFileError``."""
    cluster = number(tree, _PAGE_CLUSTER)
    return 1 << min(_USUAL_CLUSTER if cluster is None else cluster, _MOST_CLUSTER)
