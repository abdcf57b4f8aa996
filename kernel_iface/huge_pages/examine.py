"""Looks at one process: how hot it is where, where it is huge, and what of that was never used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from damon_tuner.errors import TargetGoneError
from damon_tuner.kernel_iface.host import Context, Intervals, MonitoringAttrs, Region
from damon_tuner.kernel_iface.huge_pages.advice import RegionReport, region_reports
from damon_tuner.kernel_iface.huge_pages.areas import HUGE_BYTES, Area, areas
from damon_tuner.kernel_iface.huge_pages.bloat import zero_shares
from damon_tuner.kernel_iface.sysfs.host import SysfsHost
from damon_tuner.kernel_iface.sysfs.observe.process import ProcessMemory, process_memory
from damon_tuner.kernel_iface.sysfs.tree import Tree

_ATTRS = MonitoringAttrs(min_nr_regions=50, max_nr_regions=1_000)


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found of one process; ``looked_into`` is how many huge pages were read."""

    pid: int
    memory: ProcessMemory
    huge_bytes: int
    bloat_bytes: int | None
    looked_into: int
    watched_s: float
    """For how long DAMON watched; 0 is not at all."""
    regions: tuple[RegionReport, ...]


def examine(tree: Tree, pid: int, watch_s: float, state_dir: Path | None = None) -> Examined:
    """Watch a process for ``watch_s`` with DAMON, then look at its pages; changes nothing of it.

    With 0 s DAMON is left alone, and nothing is said about heat.

    Raises:
        TargetGoneError: there is no such process.
        DamonBusyError: somebody else uses DAMON.
        TunerError: what else ``SysfsHost`` and ``Tree`` raise.
    """
    memory = process_memory(tree, pid)
    if memory is None:
        raise TargetGoneError(f"process {pid} has exited, never existed, or has no memory")
    # First, because reading a page makes it look used.
    regions, intervals = _watched(pid, watch_s, state_dir) if watch_s else ((), None)
    found = tuple(areas(tree, pid))
    shares = zero_shares(tree, pid, found)
    huge_bytes = sum(area.is_huge for area in found) * HUGE_BYTES
    mean = sum(shares.values()) / len(shares) if shares else None
    return Examined(
        pid=pid,
        memory=memory,
        huge_bytes=huge_bytes,
        bloat_bytes=None if mean is None else round(mean * huge_bytes),
        looked_into=len(shares),
        watched_s=watch_s,
        regions=region_reports(regions or _runs(found), found, shares, intervals, watch_s),
    )


def _watched(
    pid: int, watch_s: float, state_dir: Path | None
) -> tuple[tuple[Region, ...], Intervals]:
    with SysfsHost(Context(pid=pid, attrs=_ATTRS), state_dir=state_dir) as host:
        host.start(())
        host.advance(watch_s)
        snapshot = host.snapshot()
        return snapshot.regions, snapshot.intervals


def _runs(found: tuple[Area, ...]) -> tuple[Region, ...]:
    """Areas that follow each other, in place of DAMON's regions."""
    runs: list[tuple[int, int]] = []
    for area in found:
        end = area.start + HUGE_BYTES
        if runs and runs[-1][1] == area.start:
            runs[-1] = runs[-1][0], end
        else:
            runs.append((area.start, end))
    return tuple(Region(start, end, 0, 0) for start, end in runs)
