"""The places of a process where a huge page could be: which hold one, and what else is there."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from damon_tuner.errors import NoPermissionError, TargetGoneError
from damon_tuner.kernel_iface.sysfs.tree import Tree

HUGE_BYTES = 2 << 20
PAGE_BYTES = 4096
PAGES = HUGE_BYTES // PAGE_BYTES

_ENTRY_BYTES = 8
_AT_ONCE = 64
_PRESENT = 63
_PFN_MASK = (1 << 55) - 1
_KPF_THP = 1 << 22

_HEAD = re.compile(r"([0-9a-f]+)-([0-9a-f]+) [-rwxsp]{4} ")
_ANONYMOUS = re.compile(r"Anonymous: +([0-9]+) kB")


@dataclass(frozen=True, slots=True)
class Area:
    """2 MiB of addresses, aligned; ``present_pages`` of its 512 small pages are in memory."""

    start: int
    present_pages: int
    is_huge: bool


def areas(tree: Tree, pid: int) -> Iterator[Area]:
    """Look at each area that lies within anonymous memory of a process, in order.

    Walks its page tables with its memory map locked, once. Raises:
        TargetGoneError: there is no such process.
        NoPermissionError: the kernel hides where pages are.
    """
    for start, end in anonymous_ranges(tree, pid):
        first = -(-start // HUGE_BYTES) * HUGE_BYTES
        for at in range(first, end - HUGE_BYTES + 1, _AT_ONCE * HUGE_BYTES):
            count = min(_AT_ONCE, (end - at) // HUGE_BYTES)
            yield from _looked_at(tree, pid, at, count)


def anonymous_ranges(tree: Tree, pid: int) -> list[tuple[int, int]]:
    """Return the mappings that hold anonymous memory; raises ``TargetGoneError``."""
    text = tree.read_if_present(f"proc/{pid}/smaps")
    if text is None:
        raise TargetGoneError(f"process {pid} has exited or never existed")
    found: list[tuple[int, int]] = []
    mapping: tuple[int, int] | None = None
    for line in text.splitlines():
        if head := _HEAD.match(line):
            mapping = int(head[1], 16), int(head[2], 16)
        elif mapping and (size := _ANONYMOUS.match(line)) and int(size[1]):
            found.append(mapping)
    return found


def _looked_at(tree: Tree, pid: int, start: int, count: int) -> Iterator[Area]:
    offset = start // PAGE_BYTES * _ENTRY_BYTES
    entries = array("Q")
    read = tree.read_at(f"proc/{pid}/pagemap", offset, count * PAGES * _ENTRY_BYTES)
    entries.frombytes(read[: len(read) // _ENTRY_BYTES * _ENTRY_BYTES])
    for number in range(len(entries) // PAGES):
        pages = entries[number * PAGES : (number + 1) * PAGES]
        present = sum(page >> _PRESENT for page in pages)
        is_huge = present == PAGES and _is_huge(tree, pages[0] & _PFN_MASK, pages[-1] & _PFN_MASK)
        yield Area(start + number * HUGE_BYTES, present, is_huge)


def _is_huge(tree: Tree, first: int, last: int) -> bool:
    if not first:
        raise NoPermissionError("the kernel hides where pages are: run as root")
    if first % PAGES or last != first + PAGES - 1:
        return False
    flags = tree.read_at("proc/kpageflags", first * _ENTRY_BYTES, _ENTRY_BYTES)
    return bool(int.from_bytes(flags, "little") & _KPF_THP)
