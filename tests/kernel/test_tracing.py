"""DAMON's trace, read in binary from the kernel that writes it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.host import Context, MonitoringAttrs
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.tracing import Aggregation, AggregationReader, TraceInstance
from damon_tuner.kernel_iface.tracing.aggregations import EVENT

MAPPED_BYTES = 32 << 20
INSTANCES = Path("/sys/kernel/tracing/instances")
KDAMOND_PID = Path("/sys/kernel/mm/damon/admin/kdamonds/0/pid")

# Maps and fills memory, and writes to the first quarter for ever. The pause lets the emulator
# forget its translations, as it does on entry to the kernel: page tables are walked again.
TOUCHER = """
import ctypes, mmap, os, sys, time
total = int(sys.argv[1])
os.sched_setaffinity(0, {1})
memory = mmap.mmap(-1, total, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
for start in range(0, total, 4096):
    memory[start] = 1
print(ctypes.addressof(ctypes.c_char.from_buffer(memory)), flush=True)
view, ones = memoryview(memory), bytes(total // 4 // 4096)
while True:
    view[: total // 4 : 4096] = ones
    time.sleep(0.001)
"""


@pytest.fixture
def toucher() -> Iterator[tuple[int, int]]:
    """Its pid, and where its memory starts."""
    command = [sys.executable, "-S", "-c", TOUCHER, str(MAPPED_BYTES)]
    os.sched_setaffinity(0, {0})
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.kill()


@pytest.fixture(autouse=True)
def tracing_is_as_before() -> Iterator[None]:
    before = sorted(INSTANCES.iterdir()), (INSTANCES.parent / "set_event").read_text()
    yield
    assert (sorted(INSTANCES.iterdir()), (INSTANCES.parent / "set_event").read_text()) == before


def _wait_for(reader: AggregationReader, trace: TraceInstance, hot_at: int) -> Aggregation:
    deadline_s = time.monotonic() + 120
    while time.monotonic() < deadline_s:
        time.sleep(0.1)
        found = reader.latest(trace)
        if found is not None and any(
            region.nr_accesses > 10 and region.start <= hot_at < region.end
            for region in found.regions
        ):
            return found
    pytest.fail("DAMON's trace never showed the hot part hot")


def test_the_trace_shows_what_is_hot(toucher: tuple[int, int]) -> None:
    pid, start = toucher
    # none larger than a hundredth, so that some lie within the hot part
    attrs = MonitoringAttrs(min_nr_regions=100, max_nr_regions=120)
    context = Context(pid=pid, attrs=attrs)
    with TraceInstance([EVENT]) as trace, SysfsHost(context, regions_by="files") as host:
        host.start(())
        kdamond = int(KDAMOND_PID.read_text())
        os.sched_setaffinity(kdamond, {0})
        reader = AggregationReader(trace.format(EVENT), kdamond)
        found = _wait_for(reader, trace, start + MAPPED_BYTES // 8)
        by_sysfs = host.snapshot().regions
    regions = found.regions
    assert 100 <= len(regions) <= 120
    assert all(left.end <= right.start for left, right in pairwise(regions))
    assert regions[0].start == by_sysfs[0].start
    assert regions[-1].end == by_sysfs[-1].end
    cold = [r for r in regions if start + MAPPED_BYTES // 2 <= r.start < start + MAPPED_BYTES]
    assert sum(region.nr_accesses for region in cold) < len(cold)
    assert abs(found.time_ns - time.monotonic_ns()) < 60e9
    assert trace.lost_events == 0


def test_a_small_buffer_keeps_the_newest_and_counts_what_it_lost(toucher: tuple[int, int]) -> None:
    pid, _ = toucher
    attrs = MonitoringAttrs(min_nr_regions=100, max_nr_regions=120)
    with TraceInstance([EVENT], buffer_bytes=16 << 10) as trace:
        with SysfsHost(Context(pid=pid, attrs=attrs), regions_by="files") as host:
            host.start(())
            reader = AggregationReader(trace.format(EVENT))
            host.advance(3.0)
            asked_ns = time.monotonic_ns()
            newest = reader.latest(trace)
        assert newest is not None
        assert asked_ns - newest.time_ns < 1e9
        assert trace.lost_events > 0


def test_what_a_killed_run_left_is_replaced() -> None:
    (INSTANCES / "damon-tuner-test").mkdir()
    with TraceInstance([EVENT], name="damon-tuner-test"):
        assert (INSTANCES / "damon-tuner-test").exists()
    assert not (INSTANCES / "damon-tuner-test").exists()


def test_an_unknown_event_leaves_nothing_behind() -> None:
    with pytest.raises(DamonMissingError, match="this kernel cannot trace DAMON"):
        TraceInstance(["damon/no_such_event"]).open()
