"""The newest aggregation is found in the last pages, wherever the worker ran."""

from __future__ import annotations

import random

import pytest

from damon_tuner.kernel_iface.host import Region
from damon_tuner.kernel_iface.tracing import AggregationReader, records_of
from damon_tuner.kernel_iface.tracing.rows import newest_first

from .ring_pages import EVENT, LAYOUT, PROBED_EVENT, aggregated, page, probed, record


class Trace:
    layout = LAYOUT

    def __init__(self, cpus: list[list[bytes]]) -> None:
        self.cpus = cpus

    def pages_by_cpu(self) -> list[list[bytes]]:
        found, self.cpus = self.cpus, []
        return found


def recorded(
    rng: random.Random, nr_aggregations: int, nr_cpus: int, *, is_cut: bool = False
) -> list[list[bytes]]:
    """Events a nanosecond apart, on a CPU that changes now and then; pages of a few each.

    Where it ``is_cut``, the last aggregation lacks events.
    """
    cpus: list[list[list[tuple[int, bytes]]]] = [[[]] for _ in range(nr_cpus)]
    now_ns, cpu = 1, 0
    for number in range(nr_aggregations):
        rows = [(at, at + 1, number % 21, 0) for at in range(rng.randint(1, 40))]
        payloads = aggregated(rows)
        if is_cut and number == nr_aggregations - 1:
            payloads = payloads[: rng.randrange(len(payloads))]
        for payload in payloads:
            if rng.random() < 0.05:
                cpu = rng.randrange(nr_cpus)
            if len(cpus[cpu][-1]) == 7:
                cpus[cpu].append([])
            cpus[cpu][-1].append((now_ns, payload))
            now_ns += 1
    return [[_page(events) for events in pages if events] for pages in cpus]


def _page(events: list[tuple[int, bytes]]) -> bytes:
    start_ns = at_ns = events[0][0]
    entries = []
    for time_ns, payload in events:
        entries.append(record(payload, time_ns - at_ns))
        at_ns = time_ns
    return page(start_ns, entries)


@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("seed", range(30))
def test_it_is_the_one_that_reading_everything_finds(seed: int, is_cut: bool) -> None:
    rng = random.Random(seed)
    cpus = recorded(rng, rng.randint(2, 60), rng.randint(1, 4), is_cut=is_cut)
    pages = [page for pages in cpus for page in pages]
    everything = sorted(r for page in pages for r in records_of(memoryview(page), LAYOUT))
    expected = AggregationReader(EVENT).feed(everything)[-1]
    assert AggregationReader(EVENT).latest(Trace(cpus)) == expected


@pytest.mark.parametrize("seed", range(10))
def test_what_is_read_grows_back_in_time_without_gaps(seed: int) -> None:
    cpus = recorded(random.Random(seed), 60, 3)
    steps = list(newest_first(cpus, lambda page: list(records_of(memoryview(page), LAYOUT))))
    assert [is_all for _, is_all in steps] == [False] * (len(steps) - 1) + [True]
    last = steps[-1][0]
    assert [r.time_ns for r in last] == list(range(1, len(last) + 1))
    for records, _ in steps:
        assert [r.time_ns for r in records] == [r.time_ns for r in last[-len(records) :]]


def test_an_aggregation_that_began_before_the_last_call_is_finished() -> None:
    payloads = aggregated([(0, 1, 2, 3), (1, 2, 4, 5)])
    reader = AggregationReader(EVENT)
    assert reader.latest(Trace([[page(1, [record(payloads[0])])]])) is None
    found = reader.latest(Trace([[page(2, [record(payloads[1])])]]))
    assert found is not None
    assert len(found.regions) == 2


def test_nothing_recorded_is_nothing_found() -> None:
    assert AggregationReader(EVENT).latest(Trace([[], []])) is None


@pytest.mark.parametrize("nr_probes", [1, 2, 4])
def test_hits_of_probes_come_with_their_regions(nr_probes: int) -> None:
    hits = tuple(range(250, 250 + nr_probes))
    rows = [(0, 4096, 3, 7, *hits), (4096, 9000, 0, 9, *hits[::-1])]
    records = [record(payload) for payload in probed(rows)]
    for pages in ([[page(1, records)]], [[page(1, records[:1]), page(2, records[1:])]]):
        reader = AggregationReader(PROBED_EVENT, 77, nr_probes=nr_probes)
        found = reader.latest(Trace(pages))
        assert found is not None
        assert found.regions == (
            Region(0, 4096, 3, 7, hits),
            Region(4096, 9000, 0, 9, hits[::-1]),
        )


def test_the_newest_of_each_target_is_found() -> None:
    payloads = aggregated([(0, 1, 1, 1)], target=0) + aggregated([(5, 6, 1, 1)], target=1)
    payloads += aggregated([(0, 1, 2, 2)], target=0) + aggregated([(5, 7, 2, 2)], target=1)
    pages = [[page(at, [record(payload)]) for at, payload in enumerate(payloads, 1)]]
    found = AggregationReader(EVENT).latest_of(Trace(pages), 2)
    assert [each.regions for each in found] == [(Region(0, 1, 2, 2),), (Region(5, 7, 2, 2),)]
    assert AggregationReader(EVENT).latest_of(Trace([[]]), 2) == ()
