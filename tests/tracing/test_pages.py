"""Pages of the ring buffer: every kind of entry, and pages that are not whole."""

from __future__ import annotations

import pytest

from damon_tuner.kernel_iface.tracing.pages import lost_in, records_of

from .ring_pages import (
    END_OF_PAGE,
    HEADER_BYTES,
    LAYOUT,
    discarded,
    page,
    record,
    time_extend,
    time_stamp,
)

SHORT, LONG = b"abcdefgh", bytes(range(200))


def _read(data: bytes) -> list[tuple[int, bytes]]:
    return [(time_ns, bytes(payload)) for time_ns, payload in records_of(memoryview(data), LAYOUT)]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], []),
        ([record(SHORT, 5), record(SHORT, 7)], [(1005, SHORT), (1012, SHORT)]),
        ([record(LONG, 5), record(SHORT, 1)], [(1005, LONG), (1006, SHORT)]),
        ([time_extend(1 << 40), record(SHORT, 2)], [(1000 + (1 << 40) + 2, SHORT)]),
        ([time_stamp(123_456_789_012), record(SHORT, 2)], [(123_456_789_014, SHORT)]),
        ([discarded(12), record(SHORT, 2)], [(1002, SHORT)]),
        ([record(SHORT, 1), END_OF_PAGE, record(SHORT, 1)], [(1001, SHORT)]),
    ],
    ids=["empty", "short", "long", "extend", "stamp", "discarded", "padding"],
)
def test_entries(entries: list[bytes], expected: list[tuple[int, bytes]]) -> None:
    assert _read(page(1000, entries)) == expected


def test_an_absolute_time_keeps_the_upper_bits_of_the_page() -> None:
    start_ns = (3 << 59) + 10
    assert _read(page(start_ns, [time_stamp(99), record(SHORT)])) == [((3 << 59) + 99, SHORT)]


def test_what_was_not_committed_is_not_read() -> None:
    one = record(SHORT, 1)
    data = bytearray(page(0, [one, record(SHORT, 1)]))
    data[8:16] = len(one).to_bytes(8, "little")
    assert _read(bytes(data)) == [(1, SHORT)]


@pytest.mark.parametrize("kept", range(0, HEADER_BYTES + 2 * 12 + 2 * 208, 7))
def test_a_page_cut_off_anywhere_yields_the_records_that_are_whole(kept: int) -> None:
    entries = [record(SHORT, 1), record(LONG, 1)] * 2
    whole, cut = _read(page(0, entries)), _read(page(0, entries)[:kept])
    assert cut == whole[: len(cut)]
    assert len(cut) < len(whole)


@pytest.mark.parametrize(("lost", "counted"), [(None, 0), (41, 41), (-1, 1)])
def test_lost_events_are_counted(lost: int | None, counted: int) -> None:
    data = memoryview(page(0, [record(SHORT)], lost))
    assert lost_in(data, LAYOUT) == counted
    assert len(list(records_of(data, LAYOUT))) == 1


def test_a_full_page_has_no_room_for_the_number_of_lost_events() -> None:
    entries = [record(SHORT)] * ((4096 - HEADER_BYTES) // 12)
    data = memoryview(page(0, entries, lost=-1))
    assert lost_in(data, LAYOUT) == 1
    assert len(list(records_of(data, LAYOUT))) == len(entries)
