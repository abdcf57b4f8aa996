"""The rest of a host's memory: filled, so that a load of a few hundred MiB is part of it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# DAMON_RECLAIM's default watermarks have it work from 40 % free on down, until more than 50 %
# or less than 20 % are.
FREE_SHARE = 0.28
"""Of all memory, when the load has its own."""
# Of <linux/mman.h>; this Python has no names for them.
_MAP_LOCKED, _MAP_POPULATE = 0x2000, 0x8000


@contextmanager
def rest_filled() -> Iterator[float]:
    """Hold so much memory that 28 % are free, and give the share that is free then.

    It is locked: nobody saves anything of it, and it costs nobody anything.
    """
    free, total = _free_and_total()
    size = max(int(free - FREE_SHARE * total), 0) // mmap.PAGESIZE * mmap.PAGESIZE
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_LOCKED | _MAP_POPULATE
    with mmap.mmap(-1, max(size, mmap.PAGESIZE), flags=flags):
        free, total = _free_and_total()
        yield free / total


def pool_bytes() -> int:
    """What the compressed swap occupies."""
    return sum(
        int(path.read_text().split()[2]) for path in Path("/sys/block").glob("zram*/mm_stat")
    )


def _free_and_total() -> tuple[int, int]:
    page = os.sysconf("SC_PAGE_SIZE")
    return os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page
