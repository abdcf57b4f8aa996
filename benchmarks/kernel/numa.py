"""Where a process's pages are and go, and advice about them: system calls that Python has not."""

from __future__ import annotations

import ctypes
import os
from collections import Counter

PAGE_BYTES = 4096

# x86-64's numbers of the calls
_SET_MEMPOLICY = 238
_MOVE_PAGES = 279
_PROCESS_MADVISE = 440
_MPOL_DEFAULT = 0
_MPOL_PREFERRED = 1
_AT_ONCE = 1 << 14

MADV_COLD = 20
MADV_PAGEOUT = 21

_libc = ctypes.CDLL(None, use_errno=True)


def allocate_on(node: int | None) -> None:
    """Take new pages from ``node`` while it has any, or from wherever for None (``OSError``)."""
    if node is None:
        _call(_SET_MEMPOLICY, _MPOL_DEFAULT, None, 0)
    else:
        mask = ctypes.c_ulong(1 << node)
        # the kernel takes one bit less than it is told
        _call(_SET_MEMPOLICY, _MPOL_PREFERRED, ctypes.byref(mask), ctypes.sizeof(mask) * 8 + 1)


def pages_by_node(pid: int, start: int, size_bytes: int) -> Counter[int]:
    """Ask of each page which node holds it; a negative number is why there is none (``OSError``).

    The call changes nothing: without a list of nodes, ``move_pages`` only tells.
    """
    found: Counter[int] = Counter()
    for at in range(start, start + size_bytes, _AT_ONCE * PAGE_BYTES):
        count = min(_AT_ONCE, (start + size_bytes - at) // PAGE_BYTES)
        pages = (ctypes.c_void_p * count)(*(at + number * PAGE_BYTES for number in range(count)))
        nodes = (ctypes.c_int * count)()
        _call(_MOVE_PAGES, pid, ctypes.c_ulong(count), pages, None, nodes, 0)
        found.update(nodes)
    return found


def advise(pid: int, start: int, size_bytes: int, advice: int) -> None:
    """Give the kernel advice about another process's memory (``OSError``)."""
    process = os.pidfd_open(pid)
    try:
        vector = (ctypes.c_size_t * 2)(start, size_bytes)
        _call(_PROCESS_MADVISE, process, vector, ctypes.c_ulong(1), advice, 0)
    finally:
        os.close(process)


def share_on(node: int, pid: int, start: int, size_bytes: int) -> float:
    """Which share of a range's pages ``node`` holds (``OSError``)."""
    return pages_by_node(pid, start, size_bytes)[node] / (size_bytes // PAGE_BYTES)


def _call(number: int, *arguments: object) -> None:
    if _libc.syscall(ctypes.c_long(number), *arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
