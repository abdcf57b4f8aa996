"""A process whose memory is stripes, hot and cold in turn, so that DAMON makes many regions.

``python -m damon_tuner.benchmarks.daemon.guest_stripes`` is the process, ``striped`` starts it.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PAGE_BYTES = mmap.PAGESIZE
_STRIPE_PAGES = 16
_NR_STRIPES = 256

# Twice an access check of DAMON: what is hot looks accessed at every other check, and differs
# from check to check, so that neighbours are seldom alike.
_PERIOD_S = 0.01


@contextmanager
def striped() -> Iterator[int]:
    """Start one; it is killed on leaving. Gives its process id."""
    words = [sys.executable, "-S", "-m", __name__]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    """Fill the memory, say so, and read the hot stripes for ever."""
    size_bytes = _NR_STRIPES * _STRIPE_PAGES * _PAGE_BYTES
    memory = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for _ in range(_NR_STRIPES * _STRIPE_PAGES):
        memory.write(os.urandom(_PAGE_BYTES // 2) + bytes(_PAGE_BYTES // 2))
    print("filled", flush=True)
    view = memoryview(memory)
    # the same page of every hot stripe at once
    step = 2 * _STRIPE_PAGES * _PAGE_BYTES
    hot = [view[page * _PAGE_BYTES :: step] for page in range(_STRIPE_PAGES)]
    while True:
        for pages in hot:
            pages.tobytes()
        time.sleep(_PERIOD_S)


if __name__ == "__main__":
    main()
