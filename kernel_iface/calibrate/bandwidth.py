"""How many bytes a second the memory moves, for one CPU and for all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

from damon_tuner import _core
from damon_tuner.kernel_iface.calibrate.area import HUGE_BYTES, PAGE_BYTES, Area
from damon_tuner.kernel_iface.calibrate.finding import Finding, measured, missing
from damon_tuner.kernel_iface.calibrate.limits import Limits

_MOST_THREADS = 32
_READ_AND_WRITTEN = 2
_COPIED_BYTES = 512 << 20


def findings(bounds: Limits) -> list[Finding]:
    """``fast_gbps`` of all CPUs, and ``copy_gbps`` of one; bytes read and written both count."""
    return [
        _finding("fast_gbps", min(bounds.cpus, _MOST_THREADS), bounds),
        _finding("copy_gbps.one_cpu", 1, bounds),
    ]


def copy_gbps(nr_threads: int, size: int, node: int | None = None) -> float:
    """Copy with ``nr_threads`` at once between two areas each of ``size`` bytes.

    Returns 1e9 bytes a second, read and written.
    """
    repeats = max(_COPIED_BYTES // size // nr_threads, 1)
    start = Barrier(nr_threads)

    def work(areas: tuple[Area, Area]) -> float:
        to, source = areas
        start.wait()
        elapsed_ns = _core.bench_copy_ns(to.view, source.view, repeats)
        return _READ_AND_WRITTEN * size * repeats / elapsed_ns

    with ExitStack() as stack:
        pairs = []
        for _ in range(nr_threads):
            pair = (
                stack.enter_context(Area(size, "huge", node)),
                stack.enter_context(Area(size, "huge", node)),
            )
            for area in pair:
                _core.bench_touch_ns(area.view, PAGE_BYTES)
            pairs.append(pair)
        with ThreadPoolExecutor(nr_threads) as pool:
            try:
                return sum(pool.map(work, pairs))
            finally:
                # Whoever waits for one that a signal kept from starting would wait for ever.
                start.abort()


def _finding(name: str, nr_threads: int, bounds: Limits) -> Finding:
    size = bounds.max_bytes // 2 // nr_threads // HUGE_BYTES * HUGE_BYTES
    if not size or not bounds.exceeds_caches(size * nr_threads):
        return missing(
            name,
            f"two areas of {size * nr_threads >> 20} MiB are not four times the last cache: "
            "give a larger --max-mib",
        )
    values = [copy_gbps(nr_threads, size) for _ in range(bounds.repeats)]
    return measured(name, "GB/s", values, f"{nr_threads} CPUs copying, read and written bytes")
