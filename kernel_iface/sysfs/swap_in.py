"""What a major fault costs on this host, measured on a few MiB of the caller's own memory."""

from __future__ import annotations

import mmap
import os
import resource
import statistics
import time

_MADV_PAGEOUT = 21
_SIZE_BYTES = 4 << 20


def measure_swap_in_us() -> float | None:
    """Median microseconds of a fault that brings a page back, or ``None`` without swap.

    Pages out and touches 4 MiB of this process; nothing else is changed.
    """
    page = mmap.PAGESIZE
    with mmap.mmap(-1, _SIZE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        # Half noise, half zeros: about as compressible as what servers hold.
        for at in range(0, _SIZE_BYTES, page):
            memory[at : at + page // 2] = os.urandom(page // 2)
        resident_us = statistics.median(_touch_us(memory)[0])
        try:
            memory.madvise(_MADV_PAGEOUT)
        except OSError:
            return None
        times_us, faults = _touch_us(memory)
    returned = sorted(times_us)[-faults:] if faults else []
    if len(returned) < len(times_us) // 4:
        return None
    return max(statistics.median(returned) - resident_us, 0.1)


def _touch_us(memory: mmap.mmap) -> tuple[list[float], int]:
    """Microseconds to read each page, and how many of the reads were major faults."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
    times_us = []
    for at in range(0, len(memory), mmap.PAGESIZE):
        started = time.perf_counter_ns()
        memory[at]
        times_us.append((time.perf_counter_ns() - started) / 1e3)
    return times_us, resource.getrusage(resource.RUSAGE_SELF).ru_majflt - before
