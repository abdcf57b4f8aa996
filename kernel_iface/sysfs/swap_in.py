"""What a major fault costs on this host, measured on a few MiB of the caller's own memory."""

from __future__ import annotations

import errno
import mmap
import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.observe.swap import compresses_first, swap_devices
from damon_tuner.kernel_iface.sysfs.tree import Tree

_MADV_PAGEOUT = 21
_SIZE_BYTES = 4 << 20
_LEAST_FAULTS = 16

# Steps that visit every page, and none soon after its neighbour.
_STRIDE_PAGES = 389

_READS = 64


def measure_swap_in_us() -> float:
    """Median microseconds of a fault that brings a page back.

    Pages out and touches 4 MiB of this process; nothing else is changed. A disk keeps what is
    paged out in memory as well, until that is short: there, what reading a page from the disk
    takes is measured, and little is missing.

    Raises:
        TunerError: this host has no swap, or it could not be measured.

    """
    places = _swap_places()
    if not places:
        raise TunerError("this host has no swap to page out to: add swap or zram")
    faults_us, resident_us = _faults_us()
    if len(faults_us) < _LEAST_FAULTS:
        return _read_us(places[0])
    return max(_median(faults_us) - resident_us, 0.1)


def measure_disk_in_us() -> float:
    """Median microseconds of reading a page from a disk, or 0 where that is swap's own cost.

    It is the disk that is swapped to behind zram or zswap, else the one that programs come from.
    0 as well where it cannot be read past the page cache: nothing fails by it.
    """
    tree = Tree(LocalKernel())
    try:
        devices = swap_devices(tree)
        if devices and not compresses_first(tree):
            return 0.0
        disks = [device.path for device in devices if not device.is_zram]
        return _read_us([*disks, sys.executable][0])
    except TunerError:
        return 0.0


def _faults_us() -> tuple[list[float], float]:
    """What each major fault took, and what touching a resident page takes."""
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
                "give it with --swap-in-us, or swap_in in damon-tunerd.toml"
            ) from None
        return [us for us, major in _touch(memory, order) if major], resident_us


def _read_us(place: str) -> float:
    """Median microseconds of reading one page, past the page cache."""
    try:
        fd = os.open(place, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError as error:
        raise _unmeasured(place, error) from None
    try:
        # direct reads want memory and places that are aligned to pages
        with mmap.mmap(-1, mmap.PAGESIZE) as memory:
            return _median(_reads_us(fd, memory))
    except OSError as error:
        raise _unmeasured(place, error) from None
    finally:
        os.close(fd)


def _reads_us(fd: int, memory: mmap.mmap) -> Iterator[float]:
    nr_pages = os.lseek(fd, 0, os.SEEK_END) // mmap.PAGESIZE
    if not nr_pages:
        raise OSError(errno.EIO, "it is empty")
    for index in range(_READS):
        at = index * _STRIDE_PAGES * _READS % nr_pages * mmap.PAGESIZE
        started = time.perf_counter_ns()
        os.preadv(fd, [memory], at)
        yield (time.perf_counter_ns() - started) / 1e3


def _unmeasured(place: str, error: OSError) -> TunerError:
    return TunerError(
        "what a major fault costs cannot be measured, because the kernel paged out too little and "
        f"{place} cannot be read ({error.strerror}): give it with --swap-in-us, or "
        "swap_in in damon-tunerd.toml"
    )


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def _swap_places() -> list[str]:
    """The devices and files that are swapped to, the one that is filled first first."""
    found = swap_devices(Tree(LocalKernel()))
    return [device.path for device in sorted(found, key=lambda device: -device.priority)]


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
