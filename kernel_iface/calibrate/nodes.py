"""Latency, bandwidth and migration by NUMA node; a node without CPUs is a slow tier."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from damon_tuner import _core
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.calibrate.area import HUGE_BYTES, PAGE_BYTES, Area, Pages
from damon_tuner.kernel_iface.calibrate.bandwidth import copy_gbps
from damon_tuner.kernel_iface.calibrate.finding import Finding, measured, missing
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles
from damon_tuner.kernel_iface.calibrate.huge_pages import fill, read_ns
from damon_tuner.kernel_iface.calibrate.limits import Limits, power_of_two_at_most

_NODES = "sys/devices/system/node"
_MIGRATED_BYTES = 64 << 20
_MOST_THREADS = 8


@dataclass(frozen=True, slots=True)
class Node:
    """One NUMA node that has memory."""

    number: int
    cpus: frozenset[int]
    total_bytes: int
    free_bytes: int


def memory_nodes(files: HostFiles) -> list[Node]:
    """Nodes with memory, in order; one or none where the kernel knows no nodes."""
    nodes = []
    for number in sorted(_listed(files.text(f"{_NODES}/has_memory") or "")):
        folder = f"{_NODES}/node{number}"
        sizes = _node_sizes(files.text(f"{folder}/meminfo") or "")
        cpus = frozenset(_listed(files.text(f"{folder}/cpulist") or ""))
        nodes.append(Node(number, cpus, sizes.get("MemTotal", 0), sizes.get("MemFree", 0)))
    return nodes


def findings(bounds: Limits, files: HostFiles) -> list[Finding]:
    """Latency of every node, the slow tier's values, and what a migration costs."""
    nodes = memory_nodes(files)
    fast = next((node for node in nodes if node.cpus), None)
    if len(nodes) < 2 or fast is None:
        why = "this host has one node of memory"
        names = ("slow_ns", "slow_gbps", "migrate_page_us", "migrate_huge_us")
        return [missing(name, why) for name in names]
    with _on_cpus(fast.cpus):
        found = [_latency(f"node_ns.{node.number}", node, bounds) for node in nodes]
        slow = next((node for node in nodes if not node.cpus), None)
        found += _slow_tier(slow, found[nodes.index(slow)] if slow else None, bounds)
        other = slow or next(node for node in nodes if node is not fast)
        found += [
            _migration("migrate_page_us", "small", fast, other, bounds),
            _migration("migrate_huge_us", "huge", fast, other, bounds),
        ]
    return found


def _slow_tier(slow: Node | None, latency: Finding | None, bounds: Limits) -> list[Finding]:
    if slow is None or latency is None or latency.origin == "missing":
        why = "every node has CPUs" if slow is None else latency.how if latency else ""
        return [missing(name, why) for name in ("slow_ns", "slow_gbps")]
    threads = min(bounds.cpus, _MOST_THREADS)
    size = _share_of(slow, bounds) // 2 // threads // HUGE_BYTES * HUGE_BYTES
    found = [measured("slow_ns", "ns", latency.values, latency.how)]
    if not size or not bounds.exceeds_caches(size * threads):
        return [*found, missing("slow_gbps", "too little memory for it: give a larger --max-mib")]
    try:
        values = [copy_gbps(threads, size, slow.number) for _ in range(bounds.repeats)]
    except TunerError as error:
        return [*found, missing("slow_gbps", str(error))]
    how = f"{threads} CPUs copying within node {slow.number}, read and written bytes"
    return [*found, measured("slow_gbps", "GB/s", values, how)]


def _latency(name: str, node: Node, bounds: Limits) -> Finding:
    size = power_of_two_at_most(max(_share_of(node, bounds), HUGE_BYTES))
    if not bounds.exceeds_caches(size):
        return missing(
            name, f"{size >> 20} MiB of node {node.number} are too little to miss caches"
        )
    try:
        with Area(size, "huge", node.number) as area:
            fill(area)
            _, nr_there = _core.bench_move_pages(area.view, PAGE_BYTES, -1)
            if nr_there * PAGE_BYTES < size:
                return missing(name, f"memory of node {node.number} was not given")
            values = [
                read_ns(area.view, bounds.accesses, 1, seed) for seed in range(bounds.repeats + 1)
            ]
    except (TunerError, OSError) as error:
        return missing(name, str(error))
    how = f"dependent reads over {size >> 20} MiB of node {node.number}"
    return measured(name, "ns", values[1:], how)


def _migration(name: str, pages: Pages, fast: Node, other: Node, bounds: Limits) -> Finding:
    unit = HUGE_BYTES if pages == "huge" else PAGE_BYTES
    size = min(_MIGRATED_BYTES, _share_of(fast, bounds), _share_of(other, bounds))
    size = size // HUGE_BYTES * HUGE_BYTES
    if not size:
        return missing(name, "too little free memory on a node")
    try:
        with Area(size, pages) as area:
            _core.bench_touch_ns(area.view, PAGE_BYTES)
            values = []
            for run in range(2 * bounds.repeats):
                to = (other, fast)[run % 2].number
                elapsed_ns, nr_there = _core.bench_move_pages(area.view, unit, to)
                if nr_there < size // unit:
                    return missing(name, f"the kernel moved {nr_there} of {size // unit} pages")
                values.append(elapsed_ns / nr_there / 1e3)
    except (TunerError, OSError) as error:
        return missing(name, str(error))
    # The first move may not have been one: nobody said where the pages came from.
    how = f"move_pages between nodes {fast.number} and {other.number}, there and back"
    return measured(name, "us", values[1:], how)


def _share_of(node: Node, bounds: Limits) -> int:
    return min(bounds.max_bytes // 2, node.free_bytes // 4)


@contextmanager
def _on_cpus(cpus: frozenset[int]) -> Iterator[None]:
    """Keep this thread, and those that it starts, on ``cpus`` for a while."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, (cpus & before) or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _listed(text: str) -> set[int]:
    """Numbers in the kernel's list format: ``0-3,8``."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit() and (last or first).isdigit():
            numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


def _node_sizes(text: str) -> dict[str, int]:
    """Bytes by name from lines such as ``Node 0 MemTotal: 123 kB``."""
    rows = [line.split() for line in text.splitlines()]
    return {row[2].rstrip(":"): int(row[3]) << 10 for row in rows if len(row) == 5}
