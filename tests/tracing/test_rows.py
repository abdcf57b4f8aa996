"""Pages that are unpacked in one call give what record by record gives."""

from __future__ import annotations

import struct

import pytest

from damon_tuner.kernel_iface.tracing.pages import equal_records, records_of
from damon_tuner.kernel_iface.tracing.rows import rows_in, rows_of

from .ring_pages import (
    END_OF_PAGE,
    HEADER_BYTES,
    LAYOUT,
    aggregated,
    discarded,
    page,
    record,
    time_extend,
    time_stamp,
)

FIELDS = struct.Struct("=H6xq")
EVENTS = [record(payload, 100) for payload in aggregated([(at, at + 1, 3, 4) for at in range(60)])]
SHORT, LONG = record(b"abcdefgh", 7), record(bytes(range(200)), 7)


def _by_record(data: bytes) -> list[tuple[int, tuple[int, ...]]]:
    return rows_in(records_of(memoryview(data), LAYOUT), FIELDS)


def _is_equal(data: bytes) -> bool:
    return equal_records(memoryview(data), LAYOUT) is not None


@pytest.mark.parametrize(
    ("entries", "is_equal"),
    [
        (EVENTS, True),
        (EVENTS[:1], True),
        ([SHORT] * 3, True),
        ([], False),
        ([LONG] * 3, False),
        ([*EVENTS, SHORT], False),
        ([time_extend(1 << 30), *EVENTS], False),
        ([*EVENTS[:9], time_stamp(1 << 40), *EVENTS], False),
        ([*EVENTS, discarded(48)], False),
        ([*EVENTS, END_OF_PAGE], False),
    ],
    ids=["events", "one", "short", "none", "long", "mixed", "extend", "stamp", "gone", "padded"],
)
def test_both_ways_give_the_same(entries: list[bytes], is_equal: bool) -> None:
    data = page(1000, entries)
    assert _is_equal(data) == is_equal
    assert rows_of(data, LAYOUT, FIELDS) == _by_record(data)


@pytest.mark.parametrize("kept", range(0, HEADER_BYTES + 5 * len(EVENTS[0]), 3))
def test_a_page_that_is_cut_off_gives_what_is_whole(kept: int) -> None:
    data = page(1000, EVENTS)[:kept]
    assert rows_of(data, LAYOUT, FIELDS) == _by_record(data)


@pytest.mark.parametrize("lost", [0, 5, -1])
def test_what_was_lost_before_a_page_changes_none_of_its_records(lost: int) -> None:
    data = page(1000, EVENTS, lost)
    assert _is_equal(data)
    assert len(rows_of(data, LAYOUT, FIELDS)) == len(EVENTS)
