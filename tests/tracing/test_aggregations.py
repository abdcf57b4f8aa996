"""Aggregations put together from records, whatever was lost or comes in between."""

from __future__ import annotations

import random
import time
from itertools import pairwise

import pytest

from damon_tuner.kernel_iface.host import Region
from damon_tuner.kernel_iface.tracing import Aggregation, AggregationReader, Record, records_of

from .ring_pages import EVENT, LAYOUT, aggregated, page, record

FIRST = [(0, 4096, 1, 2), (4096, 12288, 20, 0), (16384, 20480, 0, 300)]
SECOND = [(0, 8192, 4, 1), (8192, 20480, 2, 7)]


def _records(payloads: list[bytes]) -> list[Record]:
    return [Record(at, memoryview(payload)) for at, payload in enumerate(payloads)]


def _regions(found: list[Aggregation]) -> list[list[tuple[int, int, int, int]]]:
    return [[(r.start, r.end, r.nr_accesses, r.age) for r in a.regions] for a in found]


def test_every_region_of_every_aggregation_is_there() -> None:
    found = AggregationReader(EVENT).feed(_records(aggregated(FIRST) + aggregated(SECOND)))
    assert found[0] == Aggregation(2, 0, tuple(Region(*region) for region in FIRST))
    assert _regions(found) == [FIRST, SECOND]


@pytest.mark.parametrize("cut", range(5))
def test_an_aggregation_may_come_in_two_pieces(cut: int) -> None:
    records = _records(aggregated(FIRST) + aggregated(SECOND))
    reader = AggregationReader(EVENT)
    assert _regions(reader.feed(records[:cut]) + reader.feed(records[cut:])) == [FIRST, SECOND]


@pytest.mark.parametrize("lost", range(3))
def test_an_aggregation_with_a_lost_event_is_left_out(lost: int) -> None:
    payloads = aggregated(FIRST) + aggregated(FIRST)
    del payloads[lost]
    assert _regions(AggregationReader(EVENT).feed(_records(payloads))) == [FIRST]


def test_other_events_and_other_kdamonds_do_not_count() -> None:
    ours, foreign = aggregated(FIRST), aggregated(SECOND, pid=78)
    mixed = [ours[0], foreign[0], ours[1], b"12345678", foreign[1], ours[2]]
    mixed[3:3] = aggregated(SECOND, kind=EVENT.event_id + 1)
    assert _regions(AggregationReader(EVENT, 77).feed(_records(mixed))) == [FIRST]
    assert _regions(AggregationReader(EVENT, 78).feed(_records(mixed))) == [SECOND]


def test_targets_are_kept_apart() -> None:
    payloads = aggregated(FIRST, target=0) + aggregated(FIRST, target=1)
    found = AggregationReader(EVENT).feed(_records(payloads))
    assert [(a.target_id, len(a.regions)) for a in found] == [(0, 3), (1, 3)]


def test_a_thousand_regions_cost_less_than_five_milliseconds() -> None:
    cuts = sorted(random.Random(0).sample(range(1, 1 << 20), 999))
    edges = [0, *cuts, 1 << 20]
    regions = [(start << 12, end << 12, start % 21, end % 99) for start, end in pairwise(edges)]
    payloads = aggregated(regions)
    pages = [
        page(0, [record(payload, 100) for payload in payloads[at : at + 78]])
        for at in range(0, len(payloads), 78)
    ]
    costs_s = []
    for _ in range(9):
        reader = AggregationReader(EVENT)
        started_s = time.process_time()
        records = [r for data in pages for r in records_of(memoryview(data), LAYOUT)]
        (found,) = reader.feed(records)
        costs_s.append(time.process_time() - started_s)
        assert len(found.regions) == 1000
    assert min(costs_s) < 0.005
