"""What the kernel's work on pages costs: first touch, copy, collapse and split of huge pages."""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable

from damon_tuner import _core
from damon_tuner.kernel_iface.calibrate.area import HUGE_BYTES, PAGE_BYTES, Area, Pages, huge_bytes
from damon_tuner.kernel_iface.calibrate.finding import Finding, measured, missing
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles
from damon_tuner.kernel_iface.calibrate.limits import Limits

_MADV_COLD = 20
_MADV_COLLAPSE = 25
_MOST_BYTES = 64 << 20


def findings(bounds: Limits, files: HostFiles) -> list[Finding]:
    """``fault_us``, ``huge_fault_us``, ``collapse_us``, ``split_us``, and what a copy takes."""
    size = min(_MOST_BYTES, bounds.max_bytes // 2) // HUGE_BYTES * HUGE_BYTES
    found = []
    if mmap.PAGESIZE == PAGE_BYTES:
        found.append(_small_faults(size, bounds))
    else:
        found.append(missing("fault_us", f"pages have {mmap.PAGESIZE} bytes here, not 4096"))
    found += [
        _huge_work(
            "huge_fault_us", "first touch of a huge page", _huge_faults, size, bounds, files
        ),
        _huge_work("collapse_us", "MADV_COLLAPSE of 2 MiB", _collapses, size, bounds, files),
        _huge_work(
            "split_us", "MADV_COLD of one page of a huge one", _splits, size, bounds, files
        ),
        _copies("copy_page_us", PAGE_BYTES, size, bounds),
        _copies("copy_huge_page_us", HUGE_BYTES, size, bounds),
    ]
    return found


def _small_faults(size: int, bounds: Limits) -> Finding:
    with Area(size, "small") as area:
        values = [_touch_us(area, PAGE_BYTES) for _ in range(bounds.repeats + 1)]
    # The first round may also wait for a hypervisor to find the memory.
    return measured("fault_us", "us", values[1:], "first touch of a 4 KiB page")


def _touch_us(area: Area, step_bytes: int) -> float:
    """Microseconds a touch; the pages are given back afterwards, to be touched again."""
    elapsed_ns = _core.bench_touch_ns(area.view, step_bytes)
    area.advise(mmap.MADV_DONTNEED)
    return elapsed_ns / (area.size_bytes // step_bytes) / 1e3


class _NotHugeError(Exception):
    """The kernel gave, or kept, no huge pages."""


def _huge_work(
    name: str,
    how: str,
    once: Callable[[Area, HostFiles], float],
    size: int,
    bounds: Limits,
    files: HostFiles,
) -> Finding:
    pages: Pages = "small" if once is _collapses else "huge"
    with Area(size, pages) as area:
        try:
            values = [once(area, files) for _ in range(bounds.repeats + 1)]
        except _NotHugeError as error:
            return missing(name, str(error))
        except OSError as error:
            return missing(name, f"the kernel refused it: {error.strerror}")
    return measured(name, "us", values[1:], how)


def _huge_faults(area: Area, files: HostFiles) -> float:
    before = huge_bytes(files)
    elapsed_ns = _core.bench_touch_ns(area.view, HUGE_BYTES)
    _expect_huge(area.size_bytes, before, huge_bytes(files))
    area.advise(mmap.MADV_DONTNEED)
    return elapsed_ns / _nr_huge(area) / 1e3


def _collapses(area: Area, files: HostFiles) -> float:
    area.advise(mmap.MADV_NOHUGEPAGE)
    _core.bench_touch_ns(area.view, PAGE_BYTES)
    before = huge_bytes(files)
    area.advise(mmap.MADV_HUGEPAGE)
    started = time.thread_time_ns()
    area.advise(_MADV_COLLAPSE)
    elapsed_ns = time.thread_time_ns() - started
    _expect_huge(area.size_bytes, before, huge_bytes(files))
    area.advise(mmap.MADV_DONTNEED)
    return elapsed_ns / _nr_huge(area) / 1e3


def _splits(area: Area, files: HostFiles) -> float:
    """Advice on a part of a huge page makes the kernel split it."""
    before = huge_bytes(files)
    _core.bench_touch_ns(area.view, PAGE_BYTES)
    touched = huge_bytes(files)
    _expect_huge(area.size_bytes, before, touched)
    started = time.thread_time_ns()
    for at in range(0, area.size_bytes, HUGE_BYTES):
        area.advise(_MADV_COLD, at, PAGE_BYTES)
    elapsed_ns = time.thread_time_ns() - started
    _expect_huge(area.size_bytes, huge_bytes(files), touched)
    area.advise(mmap.MADV_DONTNEED)
    return elapsed_ns / _nr_huge(area) / 1e3


def _expect_huge(size: int, before: int | None, after: int | None) -> None:
    if before is None or after is None:
        raise _NotHugeError("this kernel does not say how much memory is in huge pages")
    if abs(after - before - size) > HUGE_BYTES:
        raise _NotHugeError(
            f"{max(after - before, 0) >> 20} of {size >> 20} MiB became or ceased to be huge pages"
        )


def _nr_huge(area: Area) -> int:
    return area.size_bytes // HUGE_BYTES


def _copies(name: str, page_bytes: int, size: int, bounds: Limits) -> Finding:
    half = size // 2 // HUGE_BYTES * HUGE_BYTES
    nr_pages = half // page_bytes
    with Area(half, None) as to, Area(half, None) as source:
        for area in (to, source):
            _core.bench_touch_ns(area.view, mmap.PAGESIZE)
        values = [
            _core.bench_copy_pages_ns(to.view, source.view, nr_pages, seed) / nr_pages / 1e3
            for seed in range(bounds.repeats + 1)
        ]
    return measured(name, "us", values[1:], f"copy of {page_bytes >> 10} KiB in random order")
