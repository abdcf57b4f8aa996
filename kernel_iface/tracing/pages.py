"""The records in one page of a trace ring buffer.

A page begins with a time and the number of bytes that were committed. Each entry has four bytes
of header: five bits of type, and 27 bits of nanoseconds since the entry before. Types 1 to 28
are records of so many words; 0 is a longer one, whose length follows; the rest carry no record.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from damon_tuner.kernel_iface.tracing.formats import PageLayout

_PADDING, _TIME_EXTEND, _TIME_STAMP = 29, 30, 31
_TYPE_BITS, _DELTA_BITS = 5, 27
_TYPE_MASK = (1 << _TYPE_BITS) - 1
# An absolute time has 59 bits; the upper ones are those of the time before.
_STAMP_BITS = 59

# Enough for an aggregation of a thousand regions and what came of the next.
_FIRST_PAGES = 24

_COMMITTED_MASK = (1 << 20) - 1
_MISSED = 1 << 31
_MISSED_IS_STORED = 1 << 30

_WORD = struct.Struct("=I")
_TIME = struct.Struct("=Q")


class Record(NamedTuple):
    """One event: when, in nanoseconds of the instance's clock, and its payload."""

    time_ns: int
    payload: memoryview


def lost_in(page: memoryview, layout: PageLayout) -> int:
    """Return how many events were overwritten before this page; 1 where nobody counted."""
    commit = _committed(page, layout)
    if not commit & _MISSED:
        return 0
    end = layout.data_offset + (commit & _COMMITTED_MASK)
    if commit & _MISSED_IS_STORED and end + _TIME.size <= len(page):
        return int(_TIME.unpack_from(page, end)[0])
    return 1


def records_of(page: memoryview, layout: PageLayout) -> Iterator[Record]:
    """Walk the records of one page, in the order of their times.

    A page that is cut off yields the records that are whole.
    """
    if len(page) < layout.data_offset:
        return
    time_ns = _TIME.unpack_from(page)[0]
    at = layout.data_offset
    end = min(at + (_committed(page, layout) & _COMMITTED_MASK), len(page))
    word, size = _WORD.unpack_from, _WORD.size
    while at + size <= end:
        (header,) = word(page, at)
        kind, delta = header & _TYPE_MASK, header >> _TYPE_BITS
        at += size
        if 0 < kind < _PADDING:
            time_ns += delta
            length = kind * size
            if at + length > end:
                return
            yield Record(time_ns, page[at : at + length])
            at += length
            continue
        if at + size > end or (kind == _PADDING and not delta):
            return
        (value,) = word(page, at)
        if kind == _TIME_EXTEND:
            time_ns += (value << _DELTA_BITS) + delta
            at += size
        elif kind == _TIME_STAMP:
            time_ns = (time_ns >> _STAMP_BITS << _STAMP_BITS) | (value << _DELTA_BITS) + delta
            at += size
        else:
            if kind == 0:
                time_ns += delta
                if value < size or at + value > end:
                    return
                yield Record(time_ns, page[at + size : at + value])
            at += max(value, size)


def newest_first(
    cpus: Sequence[Sequence[bytes]], layout: PageLayout
) -> Iterator[tuple[list[Record], bool]]:
    """Walk back in time over the pages of all CPUs: yield ever more of the newest records.

    Each time all records since some moment, in the order of time, and whether these are all there
    are. Whoever finds what they look for among the newest spares the rest.
    """
    ends: list[tuple[float, bytes]] = []
    for pages in cpus:
        starts = [_TIME.unpack_from(page)[0] for page in pages]
        ends += zip([*starts[1:], float("inf")], pages, strict=True) if pages else ()
    ends.sort(key=itemgetter(0), reverse=True)
    count = _FIRST_PAGES
    while True:
        since_ns = ends[count][0] if count < len(ends) else 0
        found = [
            record
            for _, page in ends[:count]
            for record in records_of(memoryview(page), layout)
            if record.time_ns >= since_ns
        ]
        found.sort(key=itemgetter(0))
        yield found, count >= len(ends)
        if count >= len(ends):
            return
        count *= 2


def _committed(page: memoryview, layout: PageLayout) -> int:
    return int.from_bytes(page[layout.commit_offset :][: layout.commit_size], "little")
