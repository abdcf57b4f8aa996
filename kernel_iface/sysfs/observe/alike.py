"""How many of a process's pages look alike: what the kernel could merge (KSM)."""

from __future__ import annotations

import hashlib
import os
import random
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.tree import Tree

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MAX_PAGES = 16_384
"""Sampled by default: 64 MiB where pages have 4 KiB, a fraction of a second."""

_STRETCH_PAGES = 16
_ENTRY_BYTES = 8
_PRESENT = 1 << 63
_FILE_OR_SHARED = 1 << 61
# The frame's number; 0 for who has no right to know.
_FRAME = (1 << 55) - 1
_ZERO = hashlib.blake2b(bytes(PAGE_BYTES), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Alike:
    """Of the pages that were read, how many are like one before them, and how many are zero.

    ``nr_duplicates`` includes all zero pages but the first. Frames that are shared already are
    counted in ``nr_shared``, not read, and no part of ``nr_read``. In ``of_pages`` pages of memory
    ``nr_looked_at`` were looked at; what is swapped out or not there at all was left alone.
    """

    of_pages: int
    nr_looked_at: int
    nr_read: int
    nr_shared: int
    nr_zero: int
    nr_duplicates: int

    @property
    def duplicate_share(self) -> float:
        """Of the pages read; with a sample, less than of all, since both must be in it."""
        return self.nr_duplicates / self.nr_read if self.nr_read else 0.0

    @property
    def zero_share(self) -> float:
        """Of the pages read."""
        return self.nr_zero / self.nr_read if self.nr_read else 0.0


class _Pages:
    """Counts pages by what they hold."""

    def __init__(self) -> None:
        self.nr_looked_at = self.nr_read = self.nr_shared = self.nr_zero = 0
        self._frames: set[int] = set()
        self._hashes: set[bytes] = set()

    @property
    def nr_duplicates(self) -> int:
        """How many were read that hold what another did."""
        return self.nr_read - len(self._hashes)

    def is_worth_reading(self, entry: int) -> bool:
        """Whether this entry of the page map is of a private page, in memory and not yet seen."""
        self.nr_looked_at += 1
        frame = entry & _FRAME
        if not entry & _PRESENT or entry & _FILE_OR_SHARED:
            return False
        if frame and frame in self._frames:
            self.nr_shared += 1
            return False
        self._frames.add(frame)
        return True

    def add(self, page: bytes) -> None:
        """Count a page that was read."""
        digest = hashlib.blake2b(page, digest_size=16).digest()
        self.nr_read += 1
        self.nr_zero += digest == _ZERO
        self._hashes.add(digest)


def alike_pages(
    tree: Tree, pid: int, ranges: Sequence[tuple[int, int]], max_pages: int = MAX_PAGES
) -> Alike:
    """Read a sample of the private pages in ``ranges``, all of them where ``max_pages`` suffice.

    Only pages that are in memory are read: others would be faulted in. Reading marks them as
    accessed, so that monitoring has to end before.

    Raises:
        NoPermissionError: the process may not be looked into (ptrace).
        TunerError: what ``Tree`` raises.
    """
    pages = _Pages()
    # opens both before anything is sampled, so that a refusal is one whatever the sample holds
    for name in ("pagemap", "mem"):
        tree.read_at(f"proc/{pid}/{name}", 0, 0)
    for start, nr in _stretches(ranges, max_pages):
        at = start // PAGE_BYTES * _ENTRY_BYTES
        raw = tree.read_at(f"proc/{pid}/pagemap", at, nr * _ENTRY_BYTES)
        entries = struct.unpack(f"={len(raw) // _ENTRY_BYTES}Q", raw)
        for i, entry in enumerate(entries):
            if pages.is_worth_reading(entry):
                _read(tree, pid, start + i * PAGE_BYTES, pages)
    return Alike(
        sum((end - start) // PAGE_BYTES for start, end in ranges),
        pages.nr_looked_at,
        pages.nr_read,
        pages.nr_shared,
        pages.nr_zero,
        pages.nr_duplicates,
    )


def _read(tree: Tree, pid: int, address: int, pages: _Pages) -> None:
    try:
        page = tree.read_at(f"proc/{pid}/mem", address, PAGE_BYTES)
    except TunerError:
        # unmapped meanwhile, or memory that nobody may read, such as a device's
        return
    if len(page) == PAGE_BYTES:
        pages.add(page)


def _stretches(ranges: Sequence[tuple[int, int]], max_pages: int) -> Iterator[tuple[int, int]]:
    """Starts and numbers of pages: a random choice of equal stretches, in order of address."""
    size = _STRETCH_PAGES * PAGE_BYTES
    ends = list(accumulate(-(-(end - start) // size) for start, end in ranges))
    total, most = ends[-1] if ends else 0, max(max_pages // _STRETCH_PAGES, 1)
    # the same choice for the same ranges: a report can be repeated
    chosen = range(total) if total <= most else sorted(random.Random(0).sample(range(total), most))
    for number in chosen:
        which = bisect_right(ends, number)
        start, end = ranges[which]
        at = start + (number - (ends[which - 1] if which else 0)) * size
        yield at, min(_STRETCH_PAGES, (end - at) // PAGE_BYTES)
