"""Pages of a ring buffer as the kernel fills them, and the files that describe them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from damon_tuner.kernel_iface.tracing import EventFormat, PageLayout

PAGE_BYTES = 4096
HEADER_BYTES = 16

HEADER_PAGE = """\
\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;
\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;
\tfield: char overwrite;\toffset:8;\tsize:1;\tsigned:0;
\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;
"""

DAMON_AGGREGATED = """\
name: damon_aggregated
ID: 744
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:unsigned long target_id;\toffset:8;\tsize:8;\tsigned:0;
\tfield:unsigned int nr_regions;\toffset:16;\tsize:4;\tsigned:0;
\tfield:unsigned long start;\toffset:24;\tsize:8;\tsigned:0;
\tfield:unsigned long end;\toffset:32;\tsize:8;\tsigned:0;
\tfield:unsigned int nr_accesses;\toffset:40;\tsize:4;\tsigned:0;
\tfield:unsigned int age;\toffset:44;\tsize:4;\tsigned:0;

print fmt: "target_id=%lu nr_regions=%u %lu-%lu: %u %u", REC->target_id, REC->nr_regions
"""

DAMON_REGION_AGGREGATED = """\
name: damon_region_aggregated
ID: 745
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:unsigned long target_id;\toffset:8;\tsize:8;\tsigned:0;
\tfield:unsigned long start;\toffset:16;\tsize:8;\tsigned:0;
\tfield:unsigned long end;\toffset:24;\tsize:8;\tsigned:0;
\tfield:unsigned int nr_regions;\toffset:32;\tsize:4;\tsigned:0;
\tfield:unsigned int nr_accesses;\toffset:36;\tsize:4;\tsigned:0;
\tfield:unsigned int age;\toffset:40;\tsize:4;\tsigned:0;
\tfield:__data_loc unsigned char[] probe_hits;\toffset:44;\tsize:4;\tsigned:0;

print fmt: "target_id=%lu nr_regions=%u %lu-%lu: %u %u probe_hits=%s", REC->target_id
"""

LAYOUT = PageLayout.parse(HEADER_PAGE)
EVENT = EventFormat.parse(DAMON_AGGREGATED)
PROBED_EVENT = EventFormat.parse(DAMON_REGION_AGGREGATED)

_MISSED, _STORED = 1 << 31, 1 << 30


def entry(kind: int, delta_ns: int, *words: int) -> bytes:
    """A header of five and 27 bits, and the words after it."""
    return struct.pack(f"=I{len(words)}I", delta_ns << 5 | kind, *words)


def record(payload: bytes, delta_ns: int = 0) -> bytes:
    """A record, short or long as its payload demands."""
    assert len(payload) % 4 == 0
    if len(payload) <= 28 * 4:
        return entry(len(payload) // 4, delta_ns) + payload
    return entry(0, delta_ns, len(payload) + 4) + payload


def time_extend(delta_ns: int) -> bytes:
    return entry(30, delta_ns & ((1 << 27) - 1), delta_ns >> 27)


def time_stamp(time_ns: int) -> bytes:
    return entry(31, time_ns & ((1 << 27) - 1), time_ns >> 27 & ((1 << 32) - 1))


def discarded(payload_bytes: int) -> bytes:
    """What a record that was taken back leaves behind."""
    return entry(29, 1, payload_bytes + 4) + bytes(payload_bytes)


END_OF_PAGE = entry(29, 0)


def page(time_ns: int, entries: Sequence[bytes], lost: int | None = None) -> bytes:
    """A page of ``entries``; ``lost`` events went before it, of a number unknown when negative."""
    data = b"".join(entries)
    commit, tail = len(data), b""
    if lost is not None:
        commit |= _MISSED
        if lost >= 0:
            commit |= _STORED
            tail = struct.pack("=Q", lost)
    return (struct.pack("=QQ", time_ns, commit) + data + tail).ljust(PAGE_BYTES, b"\0")


def aggregated(
    regions: Sequence[tuple[int, int, int, int]],
    *,
    kind: int = EVENT.event_id,
    pid: int = 77,
    target: int = 0,
) -> list[bytes]:
    """The payloads of one aggregation of ``(start, end, nr_accesses, age)``."""
    return [
        struct.pack("=HBBiQI4xQQII", kind, 0, 0, pid, target, len(regions), *region)
        for region in regions
    ]


def probed(regions: Sequence[tuple[int, ...]], *, pid: int = 77, target: int = 0) -> list[bytes]:
    """The same with the hits of probes: ``(start, end, nr_accesses, age, *hits)``."""
    payloads = []
    for start, end, nr_accesses, age, *hits in regions:
        where = len(hits) << 16 | 48
        head = (PROBED_EVENT.event_id, 0, 0, pid, target, start, end, len(regions))
        payload = struct.pack("=HBBiQQQIIII", *head, nr_accesses, age, where) + bytes(hits)
        payloads.append(payload + bytes(-len(payload) % 4))
    return payloads
