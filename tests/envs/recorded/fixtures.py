"""Small recordings of each format, made for these tests."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Sequence

# start, end, nr_accesses
Regions = Sequence[tuple[int, int, int]]


def damo_records(
    snapshots: Iterable[Regions], aggr_us: int | None = 100_000, start: int = 539_809_434_100
) -> list[dict[str, object]]:
    """What damo writes of one target; without intervals as older versions do."""
    intervals = {"sample_us": "5 ms", "aggr_us": f"{aggr_us or 0:,}", "ops_update_us": "1 s"}
    return [
        {
            "kdamond_idx": None,
            "intervals": intervals if aggr_us else None,
            "target_id": 18446623438842320000,
            "snapshots": [
                {
                    "start_time": str(start + k * 100_000_000),
                    "end_time": str(start + (k + 1) * 100_000_000),
                    "regions": [
                        {
                            "start": f"{first:,}",
                            "end": f"{last:,}",
                            "nr_accesses": {"samples": count, "percent": None},
                            "age": {"usec": None, "aggr_intervals": "34"},
                            "sz_filter_passed": "31.340 MiB",
                        }
                        for first, last, count in regions
                    ],
                }
                for k, regions in enumerate(snapshots)
            ],
        }
    ]


def damo_json(snapshots: Iterable[Regions], aggr_us: int | None = 100_000) -> bytes:
    return json.dumps(damo_records(snapshots, aggr_us)).encode()


def perf_script(snapshots: Iterable[Regions], ages: bool = False) -> bytes:
    lines = ["# something else", "swapper 0 [001] 82820.9: sched:sched_switch: prev=1"]
    for k, regions in enumerate(snapshots):
        for first, last, count in regions:
            lines.append(
                f"       kdamond.0  4452 [000] {82820.952659 + 0.1 * k:.6f}: "
                "damon:damon_aggregated: target_id=18446623435582458880 "
                f"nr_regions={len(regions)} {first}-{last}: {count}" + (" 12" if ages else "")
            )
    return "\n".join(lines).encode()


MIB = 1 << 20
HEAP, MAP, STACK = 0x5555_0000_0000, 0x7F00_0000_0000, 0x7FFF_0000_0000
# A hot map between a heap and a stack that are idle; the heap grows later.
THREE_RANGES: list[Regions] = [
    [(HEAP, HEAP + MIB, 0), (MAP, MAP + 2 * MIB, 20), (STACK, STACK + MIB, 0)]
] * 20 + [
    [(HEAP, HEAP + 2 * MIB, 0), (MAP, MAP + 2 * MIB, 10), (STACK, STACK + MIB, 0)],
] * 20

TRACE = b"".join(
    b"%s 0x%x %d\n" % (b"ls"[k % 2 : k % 2 + 1], (0x1FF00 + 3 * (k // 100)) * 4096 + k, 10)
    for k in range(1000)
)

MASIM = b"""#regions
# name, length, initial data file
a, 1048576, none
b, 100

# phase 1
a name, with a comma
1500
# name of region, randomness, stride, probability, read/write mode
a, 0, 64, 75, wo
b, 1, 64, 25

#phase 2
second
0.5 s
b, 1, 4096, 50, ro   # nothing else
"""

# By format; each also compressed.
SAMPLES: dict[str, bytes] = {
    "damo": damo_json(THREE_RANGES),
    "perf-script": perf_script(THREE_RANGES),
    "address-trace": TRACE,
    "masim": MASIM,
}
ALL_SAMPLES = [
    (format, data)
    for format, text in SAMPLES.items()
    for data in (text, zlib.compress(text), gzip.compress(text, mtime=0))
]
