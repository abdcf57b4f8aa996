"""The records in one page of a trace ring buffer.

A page begins with a time and the number of bytes that were committed. Each entry has four bytes
of header: five bits of type, and 27 bits of nanoseconds since the entry before. Types 1 to 28
are records of so many words; 0 is a longer one, whose length follows; the rest carry no record.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from damon_tuner.kernel_iface.tracing.formats import PageLayout

_PADDING, _TIME_EXTEND, _TIME_STAMP = 29, 30, 31
_TYPE_BITS, _DELTA_BITS = 5, 27
_TYPE_MASK = (1 << _TYPE_BITS) - 1
# An absolute time has 59 bits; the upper ones are those of the time before.
_STAMP_BITS = 59

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


def equal_records(
    page: memoryview, layout: PageLayout
) -> tuple[list[int], memoryview, int] | None:
    """Where nothing but records of one length is committed: their times, bytes, and that length.

    The bytes of each begin with its header; None is any other page.
    """
    at = layout.data_offset
    data = page[at : at + (_committed(page, layout) & _COMMITTED_MASK)]
    if len(data) < _WORD.size:
        return None
    kind = _WORD.unpack_from(data)[0] & _TYPE_MASK
    length = _WORD.size * (1 + kind)
    if not 0 < kind < _PADDING or len(data) % length:
        return None
    # While every record is as long as the first, the next header is where it is looked for.
    headers = data.cast("I")[:: 1 + kind].tolist()
    if any(header & _TYPE_MASK != kind for header in headers):
        return None
    deltas = (header >> _TYPE_BITS for header in headers)
    _, *times_ns = accumulate(deltas, initial=_TIME.unpack_from(page)[0])
    return times_ns, data, length


def start_ns(page: bytes) -> int:
    """Return the time with which a page begins."""
    return int(_TIME.unpack_from(page)[0])


def _committed(page: memoryview, layout: PageLayout) -> int:
    return int.from_bytes(page[layout.commit_offset :][: layout.commit_size], "little")
