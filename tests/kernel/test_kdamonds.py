"""Kdamonds of the real DAMON, driven as values."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from damon_tuner.errors import DamonMissingError, KernelRejectedError
from damon_tuner.kernel_iface.host import (
    Action,
    Context,
    Filter,
    FilterType,
    GoalMetric,
    Intervals,
    IntervalsGoal,
    KdamondSpec,
    MonitoringAttrs,
    Operations,
    Probe,
    ProbeFilter,
    ProbeFilterType,
    Quota,
    QuotaGoal,
    Region,
    Scheme,
    Target,
)
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.applied import Effort
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings

SELF = os.getpid()
WHOLE = ((1 << 20, 64 << 20),)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Three, each with a few MiB that nobody touches."""
    code = "import mmap, time; m = mmap.mmap(-1, 8 << 20); m.write(bytes(8 << 20)); print()"
    command = [
        sys.executable,
        "-S",
        "-c",
        f"{code}\nimport sys; sys.stdout.flush(); time.sleep(999)",
    ]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    yield started
    for process in started:
        process.kill()
        process.communicate()


VADDR = KdamondSpec(Context(pid=SELF), (Scheme(Action.STAT),))
PADDR = KdamondSpec(Context(Operations.PADDR, ranges=WHOLE), (Scheme(Action.STAT),))


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.1)


def test_kdamonds_run_side_by_side(damon: Damon) -> None:
    damon.start([VADDR, PADDR])
    assert damon.read() == (VADDR, PADDR)
    for index in range(2):
        until(lambda index=index: damon.stats(index)[0].nr_tried > 0)
        assert Path("/proc", str(damon.pid(index)), "comm").read_text() == f"kdamond.{index}\n"
    assert all(region.end <= WHOLE[0][1] for region in damon.regions(1))
    done = damon.apply([VADDR, replace(PADDR, schemes=())])
    assert [applied.effort for applied in done] == [Effort.NOTHING, Effort.COMMIT]


NO_CGROUP = Filter(FilterType.MEMCG, memcg_path="/no/such")
STAT = VADDR.schemes[0]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (replace(VADDR, schemes=(replace(STAT, filters=(NO_CGROUP,)),)), "memcg_path=/no/such"),
        (
            replace(
                VADDR,
                schemes=(replace(STAT, filters=(Filter(FilterType.ADDR, addr_start=1),)),),
            ),
            "addr_end=0 is before addr_start=1",
        ),
        (replace(VADDR, context=Context(pid=2**22 + 5)), "there is no such process"),
        (
            replace(VADDR, context=Context(pid=SELF, attrs=MonitoringAttrs(Intervals(9, 8)))),
            "sample_us=9 is more than aggr_us=8",
        ),
        (
            replace(VADDR, context=Context(pid=SELF, attrs=MonitoringAttrs(min_nr_regions=2))),
            "min=2 is less than 3",
        ),
        (
            replace(VADDR, context=Context(pid=SELF, ranges=((8192, 4096),))),
            "start=8192 is not before end=4096",
        ),
    ],
)
def test_a_refused_value_is_named_and_what_runs_runs_on(
    damon: Damon, wanted: KdamondSpec, message: str
) -> None:
    damon.start([VADDR])
    before = damon_settings()
    with pytest.raises(KernelRejectedError, match=re.escape(message)):
        damon.apply([wanted])
    assert damon_settings() == before
    tried = damon.stats(0)[0].nr_tried
    until(lambda: damon.stats(0)[0].nr_tried > tried)


@pytest.mark.slow
def test_goals_are_taken_without_a_commit(damon: Damon) -> None:
    def fed(value: int) -> KdamondSpec:
        quota = Quota(
            sz_bytes=1 << 30,
            reset_interval_ms=200,
            goals=(QuotaGoal(GoalMetric.USER_INPUT, 100, value),),
        )
        return replace(VADDR, schemes=(replace(STAT, quota=quota),))

    damon.start([fed(50)])
    until(lambda: damon.stats(0)[0].effective_quota_bytes > 1 << 20)
    assert damon.apply([fed(1_000)])[0].effort is Effort.GOALS
    until(lambda: damon.stats(0)[0].effective_quota_bytes < 1 << 12)


def test_tuned_intervals_survive_a_commit(damon: Damon) -> None:
    attrs = MonitoringAttrs(
        Intervals(5_000, 20_000), intervals_goal=IntervalsGoal(9_999, 2, 5_000, 40_000)
    )
    spec = replace(VADDR, context=Context(pid=SELF, attrs=attrs))
    try:
        damon.start([spec])
    except DamonMissingError as error:
        pytest.skip(str(error))
    until(lambda: damon.tuned_intervals(0).sample_us == 40_000)
    damon.apply([replace(spec, schemes=(STAT, STAT))])
    assert damon.tuned_intervals(0) == Intervals(40_000, 160_000)


def test_a_process_that_goes_leaves_the_others_their_regions(
    damon: Damon, processes: list[subprocess.Popen[str]]
) -> None:
    pids = [process.pid for process in processes]

    def of(*which: int) -> KdamondSpec:
        targets = tuple(Target(pids[index]) for index in which)
        return replace(VADDR, context=Context(targets=targets))

    def oldest() -> list[int]:
        """The greatest age of each target: addresses begin anew with each."""
        ages = [0]
        before = Region(0, 0, 0, 0)
        for region in damon.regions(0):
            if region.start < before.start:
                ages.append(0)
            ages[-1] = max(ages[-1], region.age)
            before = region
        return ages

    damon.start([of(0, 1, 2)])
    until(lambda: len(oldest()) == 3 and min(oldest()) > 30)
    processes[1].kill()
    processes[1].wait()
    done = damon.apply([of(0, 2)])
    if done[0].note:
        pytest.skip(done[0].note)
    after = oldest()
    assert len(after) == 2
    assert min(after) > 30
    assert damon.read() == (of(0, 2),)
    assert damon.apply([of(2)])[0].effort is Effort.COMMIT
    assert min(oldest()) > 30


def test_regions_show_hits_of_probes(damon: Damon) -> None:
    # A probe without filters hits every page that there is.
    attrs = MonitoringAttrs(probes=(Probe((), 1), Probe((ProbeFilter(ProbeFilterType.ANON),))))
    try:
        damon.start([replace(PADDR, context=Context(Operations.PADDR, attrs, ranges=WHOLE))])
    except DamonMissingError as error:
        pytest.skip(str(error))
    until(lambda: any(region.probe_hits[0] > 5 for region in damon.regions(0)))
    assert all(len(region.probe_hits) == 2 for region in damon.regions(0))


def test_the_trace_and_the_files_show_the_same_memory() -> None:
    seen = {}
    for way in ("trace", "files"):
        with SysfsHost(Context(Operations.PADDR, ranges=WHOLE), regions_by=way) as host:
            host.start([])
            seen[way] = host.snapshot().regions
    for regions in seen.values():
        assert (regions[0].start, regions[-1].end) == WHOLE[0]
        assert len(regions) <= 1_000
