"""What it costs to page out and to get back, where there is swap."""

from __future__ import annotations

import os
import time

from damon_tuner import _core
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.calibrate.area import PAGE_BYTES, Area, swapped_bytes
from damon_tuner.kernel_iface.calibrate.finding import Finding, measured, missing
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles
from damon_tuner.kernel_iface.calibrate.limits import Limits
from damon_tuner.kernel_iface.sysfs.swap_in import measure_swap_in_us

_MADV_PAGEOUT = 21
_SIZE_BYTES = 4 << 20
_ON = frozenset({"Y", "1"})


def findings(bounds: Limits, files: HostFiles) -> list[Finding]:
    """``swap_in_us`` or ``compressed_in_us``, by what pages go to first, and ``page_out_us``."""
    if not swap_devices(files):
        why = "this host has no swap"
        return [missing(n, why) for n in ("compressed_in_us", "swap_in_us", "page_out_us")]
    first, other = ("compressed_in_us", "swap_in_us")
    if not compresses_first(files):
        first, other = other, first
    return [
        _fault(first, bounds),
        missing(other, f"pages go to another place first here: {first} is measured"),
        _page_out(bounds, files),
    ]


def swap_devices(files: HostFiles) -> list[tuple[str, int, int]]:
    """Name, size in bytes and priority of each, the one that is used first first."""
    rows = [line.split() for line in (files.text("proc/swaps") or "").splitlines()[1:]]
    devices = [(row[0], int(row[2]) << 10, int(row[4])) for row in rows if len(row) >= 5]
    return sorted(devices, key=lambda device: -device[2])


def is_zram(device: str) -> bool:
    """Tell whether a swap device is compressed memory."""
    return os.path.basename(device).startswith("zram")


def zswap_on(files: HostFiles) -> bool:
    """Tell whether pages are compressed on their way to the swap device."""
    return files.text("sys/module/zswap/parameters/enabled") in _ON


def compresses_first(files: HostFiles) -> bool:
    """Tell whether what is paged out now stays in memory, compressed."""
    devices = swap_devices(files)
    return bool(devices) and (zswap_on(files) or is_zram(devices[0][0]))


def _fault(name: str, bounds: Limits) -> Finding:
    try:
        values = [measure_swap_in_us() for _ in range(bounds.repeats)]
    except TunerError as error:
        return missing(name, str(error).partition(": give it")[0])
    return measured(name, "us", values, "major fault on memory paged out by MADV_PAGEOUT")


def _page_out(bounds: Limits, files: HostFiles) -> Finding:
    with Area(_SIZE_BYTES, "small") as area:
        try:
            values = [_page_out_us(area, files) for _ in range(bounds.repeats)]
        except OSError as error:
            return missing("page_out_us", f"the kernel refused it: {error.strerror}")
    if not all(values):
        return missing("page_out_us", "the kernel paged out too little")
    return measured("page_out_us", "us", values, "MADV_PAGEOUT of half noise, half zeros")


def _page_out_us(area: Area, files: HostFiles) -> float:
    """CPU microseconds a page; 0 when less than half of it went out."""
    for at in range(0, area.size_bytes, PAGE_BYTES):
        area.view[at : at + PAGE_BYTES // 2] = os.urandom(PAGE_BYTES // 2)
    before = swapped_bytes(files)
    started = time.thread_time_ns()
    area.advise(_MADV_PAGEOUT)
    elapsed_us = (time.thread_time_ns() - started) / 1e3
    nr_out = (swapped_bytes(files) - before) // PAGE_BYTES
    _core.bench_touch_ns(area.view, PAGE_BYTES)
    return elapsed_us / nr_out if 2 * nr_out * PAGE_BYTES >= area.size_bytes else 0.0
