"""A recording of the trace, read on this machine: what it costs a CPU that is not emulated."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from damon_tuner.benchmarks.kernel.monitor import PAGES, TOLD
from damon_tuner.kernel_iface.tracing import AggregationReader, EventFormat, PageLayout

_RUNS = 31


@dataclass(frozen=True, slots=True)
class Recorded:
    """Stands in for a trace instance: gives the same pages each time."""

    layout: PageLayout
    cpus: list[list[bytes]]

    def pages_by_cpu(self) -> list[list[bytes]]:
        """The pages of each CPU in their order."""
        return self.cpus


def decode_times_s(folder: Path) -> tuple[list[float], int]:
    """CPU time of decoding the newest aggregation, run by run, and how many regions it has."""
    told = json.loads((folder / TOLD).read_text())
    recorded = _recorded(told, (folder / PAGES).read_bytes())
    event, times_s, nr_regions = EventFormat.parse(told["format"]), [], 0
    for _ in range(_RUNS):
        reader = AggregationReader(event, told["kdamond_pid"])
        began_s = time.process_time()
        newest = reader.latest(recorded)
        times_s.append(time.process_time() - began_s)
        nr_regions = len(newest.regions) if newest else 0
    return times_s, nr_regions


def _recorded(told: dict[str, object], data: bytes) -> Recorded:
    layout = PageLayout(**told["layout"])  # type: ignore[arg-type]
    pages = [data[at : at + layout.page_bytes] for at in range(0, len(data), layout.page_bytes)]
    cpus = []
    for count in told["pages"]:  # type: ignore[attr-defined]
        cpus.append(pages[:count])
        pages = pages[count:]
    return Recorded(layout, cpus)
