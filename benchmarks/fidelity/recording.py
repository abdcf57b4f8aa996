"""A recording of a real kernel: DAMON's regions over time, and what the load did meanwhile.

A file is compressed JSON and arrays. Of the aggregations every k-th is kept with its regions, so
that a file stays small; of all of them, the time and the number of regions are.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.tracing import (
    Aggregation,
    AggregationReader,
    EventFormat,
    PageLayout,
    Record,
    records_of,
)
from damon_tuner.kernel_iface.tracing.aggregations import EVENT

PAGE_BYTES = 4096
SUFFIX = ".rec"
KEPT_REGIONS = 5_000
"""About as many regions are kept in one file, in whole aggregations."""

_LAYOUT = PageLayout(commit_offset=8, commit_size=8, data_offset=16, page_bytes=PAGE_BYTES)
_MAGIC = "damon-tuner recording 1"
_TYPES = {
    "time_us": "<u4",
    "nr_regions": "<u2",
    "kept": "<u2",
    "gap_pages": "<u8",
    "size_pages": "<u4",
    "nr_accesses": "u1",
    "age": "<u2",
    "rates": "<u4",
    "runs": "<u4",
    "esz": "<u8",
    "stats": "<u8",
    "samples": "<u4",
}


@dataclass(frozen=True, slots=True)
class Regions:
    """The regions of one aggregation, by address: bytes, samples of 20, aggregations."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    nr_accesses: NDArray[np.int64]
    age: NDArray[np.int64]

    def within(self, start: int, end: int) -> Regions:
        """The parts between two addresses, counted from the first one."""
        inside = (self.start < end) & (self.end > start)
        return Regions(
            np.maximum(self.start[inside], start) - start,
            np.minimum(self.end[inside], end) - start,
            self.nr_accesses[inside],
            self.age[inside],
        )

    @property
    def size(self) -> NDArray[np.int64]:
        """Bytes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded; times are seconds since DAMON was switched on.

    ``about`` has the pattern, the monitored addresses and how DAMON was set up. ``rates`` has
    rows (from, until, start byte, end byte, accesses) of the load's memory, ``runs`` rows (page
    of the load's memory, physical page, number of pages).
    """

    about: Mapping[str, Any]
    time_s: NDArray[np.float64]
    nr_regions: NDArray[np.int64]
    kept: NDArray[np.int64]
    regions: Sequence[Regions]
    rates: NDArray[np.float64]
    runs: NDArray[np.int64]
    esz: NDArray[np.float64]
    """Rows (time, bytes): the effective quota of scheme 0, whenever it changed."""
    stats: NDArray[np.float64]
    """Rows (time, bytes tried, bytes applied, times over quota) of scheme 0."""
    samples: NDArray[np.float64]
    """Rows (time, resident bytes, swapped bytes, major faults, value of the user's goal)."""

    @property
    def sample_s(self) -> float:
        """What a sampling interval really took, on average."""
        per_aggregation = self.about["aggr_us"] // self.about["sample_us"]
        elapsed_s = float(self.time_s[-1] - self.time_s[0])
        return elapsed_s / (len(self.time_s) - 1) / float(per_aggregation)

    @property
    def memory(self) -> tuple[int, int]:
        """First and last address of the load's memory."""
        start, end = self.about["memory"]
        return start, end


def from_guest(folder: Path, name: str) -> Recording:
    """Read what the guest left of one job; raises ``TunerError`` when events were lost."""
    about = json.loads((folder / f"{name}.json").read_text())
    if about["lost_events"]:
        raise TunerError(f"{about['lost_events']} trace events of {name} were lost: record again")
    records = _records(folder / f"{name}.trace")
    of_scheme = records if about["scheme"] else []
    formats = {event: EventFormat.parse(text) for event, text in about.pop("formats").items()}
    found = AggregationReader(formats[EVENT], about["kdamond_pid"]).feed(records)
    origin_ns = about["started_ns"]
    kept = _spread([len(a.regions) for a in found])
    samples = about.pop("samples")
    runs = about.pop("physical_runs")
    if about["operations"] == "vaddr":
        runs = []
    return Recording(
        about,
        np.array([(a.time_ns - origin_ns) * 1e-9 for a in found]),
        np.array([len(a.regions) for a in found]),
        kept,
        [_regions(found[i]) for i in kept],
        _rates(folder / f"{name}.rates", origin_ns),
        np.array(runs, dtype=np.int64).reshape(-1, 3),
        _scheme_rows(of_scheme, formats["damon/damos_esz"], ("esz",), origin_ns),
        _scheme_rows(
            of_scheme,
            formats["damon/damos_stat_after_apply_interval"],
            ("sz_tried", "sz_applied", "qt_exceeds"),
            origin_ns,
        ),
        _samples(samples, origin_ns),
    )


def save(recording: Recording, path: Path) -> None:
    """Write one recording."""
    parts = {
        "time_us": recording.time_s * 1e6,
        "nr_regions": recording.nr_regions,
        "kept": recording.kept,
        **_packed_regions(recording.regions),
        "rates": recording.rates * [1e6, 1e6, 1 / PAGE_BYTES, 1 / PAGE_BYTES, 1],
        "runs": recording.runs,
        "esz": recording.esz * [1e6, 1],
        "stats": recording.stats * [1e6, 1, 1, 1],
        "samples": recording.samples * [1e6, 1 / PAGE_BYTES, 1 / PAGE_BYTES, 1, 1],
    }
    columns = {
        name: np.ascontiguousarray(np.rint(value).T).astype(_TYPES[name])
        for name, value in parts.items()
    }
    header = {"magic": _MAGIC, "about": recording.about}
    header["shapes"] = {name: list(value.shape) for name, value in columns.items()}
    body = b"".join(value.tobytes() for value in columns.values())
    text = json.dumps(header).encode() + b"\n"
    path.write_bytes(lzma.compress(text + body, preset=9 | lzma.PRESET_EXTREME))


def load(path: Path) -> Recording:
    """Read one recording; raises ``TunerError`` for any other file."""
    try:
        text, _, body = lzma.decompress(path.read_bytes()).partition(b"\n")
        header = json.loads(text)
        if header["magic"] != _MAGIC:
            raise ValueError("of another version")
        columns = _columns(header["shapes"], body)
    except (lzma.LZMAError, ValueError, KeyError) as error:
        raise TunerError(
            f"{path} is no recording ({error}): make it with damon-tuner fidelity record"
        ) from None
    return Recording(
        header["about"],
        columns["time_us"] * 1e-6,
        columns["nr_regions"].astype(np.int64),
        columns["kept"].astype(np.int64),
        _unpacked_regions(columns),
        columns["rates"].T * [1e-6, 1e-6, PAGE_BYTES, PAGE_BYTES, 1],
        columns["runs"].T.astype(np.int64),
        columns["esz"].T * [1e-6, 1],
        columns["stats"].T * [1e-6, 1, 1, 1],
        columns["samples"].T * [1e-6, PAGE_BYTES, PAGE_BYTES, 1, 1],
    )


def _columns(shapes: Mapping[str, Sequence[int]], body: bytes) -> dict[str, NDArray[Any]]:
    columns, at = {}, 0
    for name, shape in shapes.items():
        count = int(np.prod(shape))
        columns[name] = np.frombuffer(body, _TYPES[name], count, at).reshape(shape)
        at += columns[name].nbytes
    return columns


def _packed_regions(regions: Sequence[Regions]) -> dict[str, NDArray[np.int64]]:
    """Gaps and sizes in pages; the first gap of each aggregation is from address 0."""
    gaps = [np.concatenate(([r.start[0]], r.start[1:] - r.end[:-1])) for r in regions]
    return {
        "gap_pages": np.concatenate(gaps) // PAGE_BYTES,
        "size_pages": np.concatenate([r.size for r in regions]) // PAGE_BYTES,
        "nr_accesses": np.concatenate([r.nr_accesses for r in regions]),
        "age": np.concatenate([r.age for r in regions]),
    }


def _unpacked_regions(columns: Mapping[str, NDArray[Any]]) -> list[Regions]:
    counts = columns["nr_regions"][columns["kept"]].astype(np.int64)
    gap, size, nr_accesses, age = (
        np.split(columns[name].astype(np.int64), np.cumsum(counts)[:-1])
        for name in ("gap_pages", "size_pages", "nr_accesses", "age")
    )
    found = []
    for i in range(len(counts)):
        end = np.cumsum(gap[i] + size[i]) * PAGE_BYTES
        found.append(Regions(end - size[i] * PAGE_BYTES, end, nr_accesses[i], age[i]))
    return found


def _spread(counts: Sequence[int]) -> NDArray[np.int64]:
    """Every k-th aggregation, so that about ``KEPT_REGIONS`` regions are kept."""
    step = max(1, round(sum(counts) / KEPT_REGIONS))
    return np.arange(step - 1, len(counts), step)


def _regions(aggregation: Aggregation) -> Regions:
    rows = [(r.start, r.end, r.nr_accesses, r.age) for r in aggregation.regions]
    return Regions(*np.array(rows, dtype=np.int64).T)


def _records(path: Path) -> list[Record]:
    data = memoryview(path.read_bytes())
    pages = (data[at : at + PAGE_BYTES] for at in range(0, len(data), PAGE_BYTES))
    return [record for page in pages for record in records_of(page, _LAYOUT)]


def _scheme_rows(
    records: Sequence[Record], event: EventFormat, names: Sequence[str], origin_ns: int
) -> NDArray[np.float64]:
    """Time and fields of the events of scheme 0; the observer, behind it, is left out."""
    decoder = event.decoder(("common_type", "scheme_idx", *names))
    rows = []
    for time_ns, payload in records:
        if len(payload) < decoder.size:
            continue
        kind, scheme, *values = decoder.unpack_from(payload)
        if kind == event.event_id and scheme == 0:
            rows.append([(time_ns - origin_ns) * 1e-9, *values])
    return np.array(rows, dtype=np.float64).reshape(-1, 1 + len(names))


def _rates(path: Path, origin_ns: int) -> NDArray[np.float64]:
    lines = [line.split() for line in path.read_text().splitlines()]
    rows = np.array([line for line in lines if len(line) == 5], dtype=np.float64).reshape(-1, 5)
    rows[:, :2] = (rows[:, :2] - origin_ns) * 1e-9
    # the load is let go a moment before the clock is read
    rows[:, :2] = np.maximum(rows[:, :2], 0.0)
    return rows


def _samples(samples: Sequence[Mapping[str, int]], origin_ns: int) -> NDArray[np.float64]:
    rows = [
        [
            (s["time_ns"] - origin_ns) * 1e-9,
            s["resident_bytes"],
            s["swapped_bytes"],
            s["major_faults"],
            s["goal_value"],
        ]
        for s in samples
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 5)
