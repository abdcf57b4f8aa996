"""Regions come from the trace where it can be had, and from files otherwise."""

from __future__ import annotations

import pytest

from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.host import (
    Action,
    Context,
    Intervals,
    MonitoringAttrs,
    Operations,
    Probe,
    Region,
    Scheme,
    Target,
)
from damon_tuner.kernel_iface.sysfs.region_source import (
    OBSERVER,
    FileRegions,
    TracedRegions,
    region_source,
)

from ..tracing.ring_pages import EVENT, LAYOUT, aggregated, page, record
from .fake_kernel import PID, FakeKernel

INTERVALS = Intervals()
ROWS = [(0, 4096, 3, 1), (4096, 8192, 0, 9)]
LATER = [(0, 8192, 5, 2)]
PROBED = Context(Operations.PADDR, MonitoringAttrs(probes=(Probe(),)))


class FakeTrace:
    """Aggregations by the time at which they are there."""

    def __init__(self, kernel: FakeKernel, *reports: tuple[int, list[tuple[int, ...]]]) -> None:
        self.kernel = kernel
        self.reports = list(reports)
        self.is_closed = False

    def format(self, event: str) -> object:
        assert event == "damon/damon_aggregated"
        return EVENT

    layout = LAYOUT

    def pages_by_cpu(self) -> list[list[bytes]]:
        due = [report for report in self.reports if report[0] <= self.kernel.clock_us]
        self.reports = [report for report in self.reports if report[0] > self.kernel.clock_us]
        pages = [
            page(at_us * 1_000, [record(payload) for payload in aggregated(rows, pid=77)])
            for at_us, rows in due
        ]
        return [pages]

    def close(self) -> None:
        self.is_closed = True


class FakeDamon:
    """All that the trace asks of DAMON: whose reports to read."""

    def pid(self, kdamond: int) -> int:
        return 77


def traced(kernel: FakeKernel, *reports: tuple[int, list[tuple[int, ...]]]) -> TracedRegions:
    source = TracedRegions(kernel, FakeTrace(kernel, *reports))
    source.open(FakeDamon())
    return source


def test_the_newest_report_counts_and_costs_no_wait(kernel):
    source = traced(kernel, (0, ROWS), (1, LATER))
    kernel.clock_us = 1
    assert source.regions(FakeDamon(), INTERVALS) == (Region(*LATER[0]),)
    assert kernel.waits == []


def test_a_report_stays_until_there_is_a_newer_one(kernel):
    source = traced(kernel, (0, ROWS), (500_000, LATER))
    first = source.regions(FakeDamon(), INTERVALS)
    assert source.regions(FakeDamon(), INTERVALS) == first
    assert kernel.waits == []
    kernel.clock_us = 500_000
    assert source.regions(FakeDamon(), INTERVALS) == (Region(*LATER[0]),)


@pytest.mark.parametrize("seen_before", [True, False])
def test_what_damon_reported_before_it_fell_asleep_is_not_shown_as_now(kernel, seen_before):
    source = traced(kernel, (0, ROWS))
    if seen_before:
        assert source.regions(FakeDamon(), INTERVALS)
    kernel.clock_us = 60_000_000
    assert source.regions(FakeDamon(), INTERVALS) == ()


def test_regions_come_back_when_damon_wakes_up(kernel):
    woken_us = 90_000_000
    source = traced(kernel, (0, ROWS), (woken_us, LATER))
    source.regions(FakeDamon(), INTERVALS)
    kernel.clock_us = woken_us + 500_000
    assert source.regions(FakeDamon(), INTERVALS) == (Region(*LATER[0]),)


def test_the_first_report_is_waited_for_and_no_longer(kernel):
    source = traced(kernel, (INTERVALS.aggr_us, ROWS))
    assert len(source.regions(FakeDamon(), INTERVALS)) == len(ROWS)
    assert INTERVALS.aggr_us <= kernel.clock_us < 1.2 * INTERVALS.aggr_us


def test_while_damon_reports_nothing_there_are_no_regions(kernel):
    source = traced(kernel)
    assert source.regions(FakeDamon(), INTERVALS) == ()
    assert INTERVALS.aggr_us < kernel.clock_us < 2_000_000


def test_only_the_files_need_a_scheme_of_their_own(kernel):
    stat = Scheme(Action.STAT)
    assert traced(kernel).with_observer([stat]) == (stat,)
    assert FileRegions().with_observer([stat]) == (stat, OBSERVER)


def test_the_trace_goes_with_the_host(kernel):
    trace = FakeTrace(kernel)
    TracedRegions(kernel, trace).close()
    assert trace.is_closed


def test_without_trace_files_the_regions_come_from_damons(kernel, tmp_path):
    assert isinstance(region_source("auto", Context(pid=PID), kernel, tmp_path), FileRegions)
    assert isinstance(region_source("auto", Context(pid=PID), kernel, None), FileRegions)
    with pytest.raises(DamonMissingError, match="cannot trace DAMON"):
        region_source("trace", Context(pid=PID), kernel, tmp_path)
    with pytest.raises(ValueError, match="read the files"):
        region_source("trace", Context(pid=PID), kernel, None)


@pytest.mark.parametrize(
    "context", [PROBED, Context(targets=(Target(1), Target(2)))], ids=["probes", "targets"]
)
def test_what_the_trace_does_not_show_comes_from_files(kernel, tmp_path, context):
    # A folder that would do for the trace: it is not even looked at.
    (tmp_path / "sys/kernel/tracing").mkdir(parents=True)
    assert isinstance(region_source("auto", context, kernel, tmp_path), FileRegions)
