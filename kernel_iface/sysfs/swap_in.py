"""What a major fault costs on this host, measured on a few MiB of the caller's own memory."""

from __future__ import annotations

import mmap
import os
import resource
import time
from collections.abc import Iterable

from damon_tuner.errors import TunerError

_MADV_PAGEOUT = 21
_SIZE_BYTES = 4 << 20
_LEAST_FAULTS = 16

# Steps that visit every page, and none soon after its neighbour.
_STRIDE_PAGES = 389


def measure_swap_in_us() -> float:
    """Median microseconds of a fault that brings a page back.

    Pages out and touches 4 MiB of this process; nothing else is changed.

    Raises:
        TunerError: this host has no swap, or it could not be measured.

    """
    if not _has_swap():
        raise TunerError("this host has no swap to page out to: add swap or zram")
    page = mmap.PAGESIZE
    # In strides, so that reading ahead brings back little that was not asked for.
    count = _SIZE_BYTES // page
    order = [index * _STRIDE_PAGES % count * page for index in range(count)]
    with mmap.mmap(-1, _SIZE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        # Half noise, half zeros: about as compressible as what servers hold.
        for at in order:
            memory[at : at + page // 2] = os.urandom(page // 2)
        resident_us = _median(us for us, _ in _touch(memory, order))
        try:
            memory.madvise(_MADV_PAGEOUT)
        except OSError as error:
            raise TunerError(
                f"what a major fault costs cannot be measured ({error.strerror}): "
                "give it with --swap-in-us"
            ) from None
        faults_us = [us for us, major in _touch(memory, order) if major]
    if len(faults_us) < _LEAST_FAULTS:
        raise TunerError(
            "what a major fault costs cannot be measured, because the kernel paged out too "
            "little: give it with --swap-in-us"
        )
    return max(_median(faults_us) - resident_us, 0.1)


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def _has_swap() -> bool:
    with open("/proc/swaps", encoding="utf-8") as swaps:
        return len(swaps.readlines()) > 1


def _touch(memory: mmap.mmap, order: list[int]) -> list[tuple[float, bool]]:
    """Microseconds to read each page, and whether that was a major fault."""
    touched = []
    for at in order:
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
        started = time.perf_counter_ns()
        memory[at]
        elapsed_us = (time.perf_counter_ns() - started) / 1e3
        major = resource.getrusage(resource.RUSAGE_SELF).ru_majflt > faults
        touched.append((elapsed_us, major))
    return touched
