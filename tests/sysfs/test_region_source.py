"""Regions come from the trace where it can be had, and from files otherwise."""

from __future__ import annotations

import pytest

from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.host import (
    Action,
    Context,
    Intervals,
    KdamondSpec,
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
    observer_dropped,
    region_source,
)
from damon_tuner.kernel_iface.tracing import SharedTrace, Tap

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
    """All that the trace asks of DAMON: whose reports to read, and of how many targets."""

    def __init__(self, nr_targets: int = 1) -> None:
        self.targets = tuple(Target(pid) for pid in range(1, nr_targets + 1))

    def pid(self, kdamond: int) -> int:
        return 77 + kdamond

    def running(self) -> tuple[KdamondSpec, ...]:
        return (KdamondSpec(Context(targets=self.targets)),) * 2


def traced(kernel: FakeKernel, *reports: tuple[int, list[tuple[int, ...]]]) -> TracedRegions:
    source = TracedRegions(kernel, SharedTrace(FakeTrace(kernel, *reports)).tap())
    source.open(FakeDamon(), 0)
    return source


def test_the_newest_report_counts_and_costs_no_wait(kernel):
    source = traced(kernel, (0, ROWS), (1, LATER))
    kernel.clock_us = 1
    assert source.regions(INTERVALS) == (Region(*LATER[0]),)
    assert kernel.waits == []


def test_a_report_stays_until_there_is_a_newer_one(kernel):
    source = traced(kernel, (0, ROWS), (500_000, LATER))
    first = source.regions(INTERVALS)
    assert source.regions(INTERVALS) == first
    assert kernel.waits == []
    kernel.clock_us = 500_000
    assert source.regions(INTERVALS) == (Region(*LATER[0]),)


@pytest.mark.parametrize("seen_before", [True, False])
def test_what_damon_reported_before_it_fell_asleep_is_not_shown_as_now(kernel, seen_before):
    source = traced(kernel, (0, ROWS))
    if seen_before:
        assert source.regions(INTERVALS)
    kernel.clock_us = 60_000_000
    assert source.regions(INTERVALS) == ()


def test_regions_come_back_when_damon_wakes_up(kernel):
    woken_us = 90_000_000
    source = traced(kernel, (0, ROWS), (woken_us, LATER))
    source.regions(INTERVALS)
    kernel.clock_us = woken_us + 500_000
    assert source.regions(INTERVALS) == (Region(*LATER[0]),)


def test_the_first_report_is_waited_for_and_no_longer(kernel):
    source = traced(kernel, (INTERVALS.aggr_us, ROWS))
    assert len(source.regions(INTERVALS)) == len(ROWS)
    assert INTERVALS.aggr_us <= kernel.clock_us < 1.2 * INTERVALS.aggr_us


def test_while_damon_reports_nothing_there_are_no_regions(kernel):
    source = traced(kernel)
    assert source.regions(INTERVALS) == ()
    assert INTERVALS.aggr_us < kernel.clock_us < 2_000_000


def test_only_the_files_need_a_scheme_of_their_own(kernel):
    stat = Scheme(Action.STAT)
    assert traced(kernel).with_observer([stat]) == (stat,)
    assert FileRegions().with_observer([stat]) == (stat, OBSERVER)


def test_the_trace_goes_with_the_host(kernel):
    trace = FakeTrace(kernel)
    TracedRegions(kernel, trace).close()
    assert trace.is_closed


def no_trace(event: str) -> Tap:
    raise DamonMissingError("this kernel cannot trace DAMON")


def test_without_trace_files_the_regions_come_from_damons(kernel):
    assert isinstance(region_source("auto", Context(pid=PID), kernel, no_trace), FileRegions)
    assert isinstance(region_source("auto", Context(pid=PID), kernel, None), FileRegions)
    with pytest.raises(DamonMissingError, match="cannot trace DAMON"):
        region_source("trace", Context(pid=PID), kernel, no_trace)
    with pytest.raises(ValueError, match="read the files"):
        region_source("trace", Context(pid=PID), kernel, None)


def test_hits_of_probes_have_an_event_of_their_own(kernel):
    shared, asked = SharedTrace(FakeTrace(kernel)), []

    def tap(event: str) -> Tap:
        asked.append(event)
        return shared.tap()

    for context in (PROBED, Context(pid=PID)):
        assert isinstance(region_source("auto", context, kernel, tap), TracedRegions)
    assert asked == ["damon/damon_region_aggregated", "damon/damon_aggregated"]


def test_regions_of_several_processes_come_target_by_target(kernel):
    payloads = aggregated(ROWS, target=0) + aggregated(LATER, target=1)
    trace = FakeTrace(kernel)
    trace.pages_by_cpu = lambda: [[page(1, [record(payload) for payload in payloads])]]
    source = TracedRegions(kernel, SharedTrace(trace).tap())
    source.open(FakeDamon(nr_targets=2), 0)
    assert source.regions(INTERVALS) == tuple(Region(*row) for row in (*ROWS, *LATER))


def test_kdamonds_that_share_a_trace_each_get_their_own_reports(kernel):
    trace = FakeTrace(kernel)
    shared = SharedTrace(trace)
    sources = [TracedRegions(kernel, shared.tap()) for _ in range(2)]
    for kdamond, source in enumerate(sources):
        source.open(FakeDamon(), kdamond)
    payloads = aggregated(ROWS, pid=77) + aggregated(LATER, pid=78)
    trace.pages_by_cpu = lambda: [[page(1, [record(payloads.pop(0))])]] if payloads else []
    kernel.wait = lambda seconds: None
    first, second = (source.regions(INTERVALS) for source in sources)
    assert first == tuple(Region(*row) for row in ROWS)
    assert second == (Region(*LATER[0]),)


def test_only_the_observer_itself_is_dropped_on_the_way_to_more_schemes() -> None:
    alike = Scheme(Action.STAT)
    assert alike == OBSERVER
    before = KdamondSpec(schemes=(alike,))
    assert observer_dropped(before, KdamondSpec(schemes=(alike, Scheme(Action.STAT)))) is None
    observed = KdamondSpec(schemes=(alike, alike, OBSERVER))
    assert observer_dropped(KdamondSpec(schemes=(alike, OBSERVER)), observed) == KdamondSpec(
        schemes=(alike,)
    )
