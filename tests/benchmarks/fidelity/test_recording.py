"""Recordings survive the way to a file and back, and what the guest left is read as it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from damon_tuner.benchmarks.fidelity.recording import (
    KEPT_REGIONS,
    Recording,
    Regions,
    from_guest,
    load,
    save,
)
from damon_tuner.errors import TunerError

from ...tracing.ring_pages import DAMON_AGGREGATED, aggregated, page, record

START = 0x7F00_0000_0000
NOTHING_ELSE = (
    "name: {0}\nID: {1}\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
)
STATS = "".join(
    f"\tfield:unsigned long {name};\toffset:{at};\tsize:8;\tsigned:0;\n"
    for name, at in (("sz_tried", 16), ("sz_applied", 32), ("qt_exceeds", 48))
)
SCHEME = "\tfield:unsigned int scheme_idx;\toffset:12;\tsize:4;\tsigned:0;\n"
ESZ = "\tfield:unsigned long esz;\toffset:16;\tsize:8;\tsigned:0;\n"


def _guest(folder: Path, aggregations: int, regions: int, lost: int = 0) -> None:
    """What the guest leaves of a job with so many aggregations of so many regions."""
    rows = [(START + (i << 13), START + (i + 1 << 13), i % 21, i) for i in range(regions)]
    pages = [
        page(1_000_000 * (1 + n), [record(p) for p in aggregated(rows)[at : at + 70]])
        for n in range(aggregations)
        for at in range(0, regions, 70)
    ]
    (folder / "job.trace").write_bytes(b"".join(pages))
    (folder / "job.rates").write_text("900000 2000000 0 4096 77\n2000000 30\n")
    about = {
        "operations": "paddr",
        "scheme": None,
        "memory": [START, START + (regions << 13)],
        "lost_events": lost,
        "started_ns": 1_000_000,
        "kdamond_pid": 77,
        "sample_us": 5_000,
        "aggr_us": 100_000,
        "physical_runs": [[0, 5, 3]],
        "samples": [
            {
                "time_ns": 3_000_000,
                "resident_bytes": 8192,
                "swapped_bytes": 4096,
                "major_faults": 3,
                "goal_value": 0,
            }
        ],
        "formats": {
            "damon/damon_aggregated": DAMON_AGGREGATED,
            "damon/damos_esz": NOTHING_ELSE.format("damos_esz", 1) + SCHEME + ESZ,
            "damon/damos_stat_after_apply_interval": NOTHING_ELSE.format("stat", 2)
            + SCHEME
            + STATS,
        },
    }
    (folder / "job.json").write_text(json.dumps(about))


def _same(left: Recording, right: Recording) -> None:
    assert left.about == right.about
    for name in ("time_s", "nr_regions", "kept", "rates", "runs", "esz", "stats", "samples"):
        np.testing.assert_allclose(getattr(left, name), getattr(right, name), atol=1e-6)
    for ours, theirs in zip(left.regions, right.regions, strict=True):
        for field in Regions.__slots__:
            np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field))


def test_what_the_guest_left_is_kept(tmp_path: Path) -> None:
    _guest(tmp_path, aggregations=3, regions=4)
    found = from_guest(tmp_path, "job")
    assert list(found.time_s) == pytest.approx([0.0, 0.001, 0.002])
    assert list(found.nr_regions) == [4, 4, 4]
    assert list(found.regions[0].nr_accesses) == [0, 1, 2, 3]
    assert found.regions[0].start[1] == START + 8192
    # the load began a moment before the clock was read; a line cut short is none
    np.testing.assert_allclose(found.rates, [[0.0, 0.001, 0, 4096, 77]])
    np.testing.assert_allclose(found.samples, [[0.002, 8192, 4096, 3, 0]])
    save(found, tmp_path / "kept.rec")
    _same(load(tmp_path / "kept.rec"), found)


def test_a_long_recording_is_thinned_and_its_counts_are_not(tmp_path: Path) -> None:
    regions, aggregations = 200, 3 * KEPT_REGIONS // 200
    _guest(tmp_path, aggregations, regions)
    found = from_guest(tmp_path, "job")
    assert len(found.time_s) == len(found.nr_regions) == aggregations
    assert len(found.regions) == len(found.kept) == aggregations // 3
    save(found, tmp_path / "kept.rec")
    _same(load(tmp_path / "kept.rec"), found)


def test_lost_events_spoil_a_recording(tmp_path: Path) -> None:
    _guest(tmp_path, 2, 3, lost=5)
    with pytest.raises(TunerError, match="5 trace events of job were lost: record again"):
        from_guest(tmp_path, "job")


@pytest.mark.parametrize("content", [b"", b"no recording", b"\xfd7zXZ\x00"])
def test_another_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.rec").write_bytes(content)
    with pytest.raises(TunerError, match=r"other\.rec is no recording"):
        load(tmp_path / "other.rec")
