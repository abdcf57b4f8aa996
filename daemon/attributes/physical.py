"""Hot and cold physical memory by attribute, as the kernel's own probes see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from damon_tuner.daemon.attributes.watch import watch
from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.host import (
    Context,
    MonitoringAttrs,
    Operations,
    Probe,
    ProbeFilter,
    ProbeFilterType,
    Region,
    Snapshot,
)
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.policies.attributes import HEAT_CLASSES, heat_class
from damon_tuner.units import size_text

_MIN_NR_REGIONS = 100


@dataclass(frozen=True, slots=True)
class ClassBytes:
    """Of the memory of one class of heat: all of it, and what probes hit, in mean bytes."""

    heat_class: str
    bytes: float
    by_attribute: dict[str, float]


@dataclass(frozen=True, slots=True)
class PhysicalReport:
    """Means over all snapshots."""

    nr_snapshots: int
    classes: tuple[ClassBytes, ...]
    ended_early: str = ""

    def text(self) -> str:
        """For people: a table."""
        names = list(self.classes[0].by_attribute)
        rows = [["heat", "all", *names]]
        for each in self.classes:
            sizes = [each.bytes, *each.by_attribute.values()]
            rows.append([each.heat_class, *(size_text(round(size)) for size in sizes)])
        lines = [f"physical memory, mean of {self.nr_snapshots} snapshots"]
        if self.ended_early:
            lines.append(f"ended early: {self.ended_early}")
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += [
            "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows
        ]
        lines.append("the rest is free, or the kernel's own")
        return "\n".join(lines)

    def json(self) -> str:
        """For programs: one object."""
        return json.dumps(asdict(self), allow_nan=False)


class ByAttribute:
    """Sums the bytes of regions by heat, and by how many of the samples hit each probe."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._bytes = dict.fromkeys(HEAT_CLASSES, 0.0)
        self._hit = {each: dict.fromkeys(self._names, 0.0) for each in HEAT_CLASSES}
        self._nr = 0

    def add(self, snapshot: Snapshot) -> None:
        """Take in a snapshot; raises ``DamonMissingError`` where it has no hits."""
        samples = snapshot.intervals.samples_per_aggregation
        for region in snapshot.regions:
            if len(region.probe_hits) != len(self._names):
                raise DamonMissingError("this kernel's DAMON does not tell what its probes hit")
            self._add_region(region, samples)
        self._nr += 1

    def report(self, ended_early: str = "") -> PhysicalReport:
        """Means over the snapshots so far."""
        nr = max(self._nr, 1)
        classes = tuple(
            ClassBytes(
                each,
                self._bytes[each] / nr,
                {name: hit / nr for name, hit in self._hit[each].items()},
            )
            for each in HEAT_CLASSES
        )
        return PhysicalReport(self._nr, classes, ended_early)

    def _add_region(self, region: Region, samples: int) -> None:
        size = region.end - region.start
        each = heat_class(region.nr_accesses / samples)
        self._bytes[each] += size
        for name, hits in zip(self._names, region.probe_hits, strict=True):
            self._hit[each][name] += size * min(hits / samples, 1.0)


def watch_physical(
    *,
    cgroup: str | None,
    seconds: float,
    interval_s: float,
    state_dir: Path | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> PhysicalReport:
    """Report on this host's memory, as root: anonymous or not, and of the control group.

    Raises:
        DamonMissingError: the kernel has no probes (Linux 7.2).
        TunerError: DAMON cannot be had; nothing is changed then.
    """
    names, probes = ["anonymous", "file"], [_probe(anon=True), _probe(anon=False)]
    if cgroup is not None:
        names.append(cgroup)
        probes.append(_of_cgroup(cgroup))
    attrs = MonitoringAttrs(min_nr_regions=_MIN_NR_REGIONS, probes=tuple(probes))
    sums = ByAttribute(names)

    def take(snapshot: Snapshot) -> None:
        sums.add(snapshot)
        on_step()

    host = SysfsHost(Context(Operations.PADDR, attrs), state_dir=state_dir)
    return sums.report(watch(host, take, seconds=seconds, interval_s=interval_s))


def _probe(*, anon: bool) -> Probe:
    return Probe((ProbeFilter(ProbeFilterType.ANON, matching=anon, allow=True),))


def _of_cgroup(path: str) -> Probe:
    below = f"/{path.strip('/')}"
    rule = ProbeFilter(ProbeFilterType.MEMCG, matching=True, allow=True, memcg_path=below)
    return Probe((rule,))
