"""What monitoring costs in CPU time: the kernel's share of it, and this process's.

To be measured on the guest's counted clock, which counts instructions: what else runs on the
machine does not show. A real CPU is several times faster; a recording tells how many times.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from damon_tuner.benchmarks.kernel.load import Part, running
from damon_tuner.kernel_iface.host import Context, MonitoringAttrs
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.region_source import RegionsBy
from damon_tuner.kernel_iface.tracing import TraceInstance
from damon_tuner.kernel_iface.tracing.aggregations import EVENT

PAGES, TOLD = "trace-pages", "trace.json"

_NR_REGIONS = 1_000
_ATTRS = MonitoringAttrs(min_nr_regions=_NR_REGIONS, max_nr_regions=_NR_REGIONS)
# as large as a host's own instance for so many regions
_BUFFER_BYTES = 2 * 80 * _NR_REGIONS
# What is read costs the same whatever the process does, and an idle one leaves the CPU alone.
_IDLE = Part(128 << 20)
_INTERVAL_S = 5.0
_KDAMOND_PID = Path("/sys/kernel/mm/damon/admin/kdamonds/0/pid")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one way to read regions; times are of one CPU."""

    regions_by: str
    nr_snapshots: int
    nr_regions: int
    snapshot_s: float
    """One snapshot: all regions, memory, pressure."""
    share: float
    """This process, with a snapshot in each interval."""
    kdamond_share: float


def measure(nr_snapshots: int = 6) -> list[Cost]:
    """Watch one process, by the trace and by the files."""
    with running([_IDLE], max(os.sched_getaffinity(0))) as load:
        return [_cost(load.pid, how, nr_snapshots) for how in ("trace", "files")]


def record(folder: Path) -> None:
    """Leave what the trace holds after one interval in ``folder``, to be read elsewhere."""
    with (
        running([_IDLE], max(os.sched_getaffinity(0))) as load,
        SysfsHost(Context(pid=load.pid, attrs=_ATTRS), regions_by="files") as host,
        TraceInstance([EVENT], name="damon-tuner-bench", buffer_bytes=_BUFFER_BYTES) as trace,
    ):
        host.start(())
        host.advance(_INTERVAL_S)
        cpus = trace.pages_by_cpu()
        told = {
            "format": trace.format_text(EVENT),
            "layout": asdict(trace.layout),
            "kdamond_pid": int(_KDAMOND_PID.read_text()),
            "pages": [len(pages) for pages in cpus],
        }
    padded = (page.ljust(trace.layout.page_bytes) for pages in cpus for page in pages)
    (folder / PAGES).write_bytes(b"".join(padded))
    (folder / TOLD).write_text(json.dumps(told))


def _cost(pid: int, how: RegionsBy, nr_snapshots: int) -> Cost:
    with SysfsHost(Context(pid=pid, attrs=_ATTRS), regions_by=how) as host:
        host.start(())
        host.advance(_INTERVAL_S)
        counts = [len(host.snapshot().regions)]
        kdamond = int(_KDAMOND_PID.read_text())
        in_snapshots_s, began_s = 0.0, time.monotonic()
        own_s, kdamond_s = time.process_time(), _cpu_s(kdamond)
        for _ in range(nr_snapshots):
            host.advance(_INTERVAL_S)
            before_s = time.process_time()
            counts.append(len(host.snapshot().regions))
            in_snapshots_s += time.process_time() - before_s
        lasted_s = time.monotonic() - began_s
        return Cost(
            regions_by=how,
            nr_snapshots=nr_snapshots,
            nr_regions=sorted(counts)[len(counts) // 2],
            snapshot_s=in_snapshots_s / nr_snapshots,
            share=(time.process_time() - own_s) / lasted_s,
            kdamond_share=(_cpu_s(kdamond) - kdamond_s) / lasted_s,
        )


def _cpu_s(pid: int) -> float:
    # nanoseconds on a CPU, which the ticks of stat are too coarse for
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
