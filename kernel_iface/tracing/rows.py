"""The same fields of many records, unpacked a page at a time, the newest pages first.

A page mostly holds records of one event, all as long as each other: such a page is unpacked in
one call, three times as fast as record by record.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import TypeVar

from damon_tuner.kernel_iface.tracing.formats import PageLayout
from damon_tuner.kernel_iface.tracing.pages import (
    Record,
    equal_records,
    records_of,
    start_ns,
)

Row = tuple[int, tuple[int, ...]]
"""When, in nanoseconds, and the fields."""

_T = TypeVar("_T", bound=tuple[object, ...])

# A thousand regions fill 13 pages, the usual hundreds a few.
_FIRST_PAGES = 4

_HEADER_BYTES = 4

_time = itemgetter(0)


def rows_of(page: bytes, layout: PageLayout, fields: struct.Struct) -> list[Row]:
    """Return the ``fields`` of each record of a page that is long enough to have them."""
    view = memoryview(page)
    equal = equal_records(view, layout)
    if equal is None:
        return rows_in(records_of(view, layout), fields)
    times_ns, data, length = equal
    headed = _headed(fields.format, length)
    return [] if headed is None else list(zip(times_ns, headed.iter_unpack(data), strict=True))


def rows_in(records: Iterable[Record], fields: struct.Struct) -> list[Row]:
    """Return the ``fields`` of each record that is long enough to have them."""
    return [
        (time_ns, fields.unpack_from(payload))
        for time_ns, payload in records
        if len(payload) >= fields.size
    ]


def newest_first(
    cpus: Sequence[Sequence[bytes]], decode: Callable[[bytes], Sequence[_T]]
) -> Iterator[tuple[list[_T], bool]]:
    """Walk back in time over the pages of all CPUs: yield ever more of the newest rows.

    ``decode`` makes rows, which begin with their time, of a page. Each time all rows since some
    moment, in the order of time, and whether these are all there are. Whoever finds what they
    look for among the newest spares the rest.
    """
    ends: list[tuple[float, bytes]] = []
    for pages in cpus:
        starts = [start_ns(page) for page in pages]
        ends += zip([*starts[1:], float("inf")], pages, strict=True) if pages else ()
    ends.sort(key=_time, reverse=True)
    found: list[_T] = []
    taken, count = 0, _FIRST_PAGES
    while True:
        older = (row for _, page in reversed(ends[taken:count]) for row in decode(page))
        found = sorted([*older, *found], key=_time)
        since_ns = ends[count][0] if count < len(ends) else 0
        yield found[bisect_left(found, since_ns, key=_time) :], count >= len(ends)
        if count >= len(ends):
            return
        taken, count = count, 2 * count


@cache
def _headed(fields: str, length: int) -> struct.Struct | None:
    """What unpacks ``fields`` from records of ``length`` bytes with their header, if they fit."""
    words = struct.Struct(f"={_HEADER_BYTES}x{fields.removeprefix('=')}")
    rest = length - words.size
    return struct.Struct(f"{words.format}{rest}x") if rest >= 0 else None
