"""Snapshots of a host of which only the regions matter."""

from collections.abc import Iterable

from damon_tuner.kernel_iface.host import Intervals, Region, Snapshot

GIB = 1 << 30
MIB = 1 << 20


def snapshot(
    at_s: float,
    regions: Iterable[tuple[int, int, int, int]],
    *,
    sample_us: int = 5_000,
    aggr_us: int = 100_000,
) -> Snapshot:
    """Regions are (start, end, nr_accesses, age in aggregations)."""
    return Snapshot(
        time_us=round(at_s * 1e6),
        intervals=Intervals(sample_us=sample_us, aggr_us=aggr_us),
        regions=tuple(Region(s, e, nr_accesses=nr, age=age) for s, e, nr, age in regions),
        scheme_stats=(),
        resident_bytes=GIB,
        swapped_bytes=0,
        compressed_bytes=0,
        memory_total_bytes=4 * GIB,
        memory_free_bytes=2 * GIB,
        swap_total_bytes=GIB,
        swap_free_bytes=GIB,
        major_faults=0,
        cpu_time_us=0,
        psi_some_us=0,
        swap_in_us=50.0,
    )
