"""A record of experience is read back as it was kept, or counted as damaged."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.checked_line import checked_line, read_checked_line
from damon_tuner.daemon.experience import (
    Experience,
    ExperienceJournal,
    new_run,
    pack_regions,
    unpack_regions,
)
from damon_tuner.daemon.experience.reading import Kept, read_experience, stretches
from damon_tuner.daemon.experience.record import decode, encode
from damon_tuner.daemon.experience.regions import MAX_REGIONS
from damon_tuner.errors import RecordingError
from damon_tuner.kernel_iface.host import Region, Snapshot
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import MONITORING
from damon_tuner.policies.rules import STATIC_POLICIES

from .experiences import BEGUN_S, RECORD, RECORDS, REGIONS, keep, lived, series

LINE = encode(RECORD)


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record: Experience) -> None:
    line = encode(record)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert decode(line) == record


@given(REGIONS)
def test_regions_come_back_as_they_were(regions: list[Region]) -> None:
    assert unpack_regions(pack_regions(regions)) == tuple(regions)


def busy_regions(nr: int = 200) -> list[Region]:
    """Regions as hard to compress as a real process could make them."""
    rng = random.Random(1)
    regions, at = [], 0x5555_0000_0000
    for k in range(nr):
        at = 0x7F00_0000_0000 if k == nr // 3 else at
        end = at + (rng.randint(1, 1 << 14) << 12)
        regions.append(Region(at, end, rng.randint(0, 20), rng.randint(0, 36_000)))
        at = end
    return regions


def test_200_regions_take_less_than_2_5_kib_on_disk() -> None:
    with_them = encode(replace(RECORD, regions=pack_regions(busy_regions())))
    without = encode(replace(RECORD, regions=pack_regions([])))
    assert len(with_them) - len(without) < 2560


def test_a_decision_costs_less_than_half_a_millisecond(tmp_path: Path) -> None:
    journal = ExperienceJournal(tmp_path / "experience", 64 << 20)
    regions = busy_regions()
    costs = []
    for _ in range(100):
        begun = time.thread_time()
        assert journal.append(replace(RECORD, regions=pack_regions(regions)))
        costs.append(time.thread_time() - begun)
    journal.close()
    assert sorted(costs)[50] < 0.5e-3


@pytest.mark.parametrize(
    "regions",
    [
        [Region(0, 1, -1, 0)],
        [Region(0, 1, 0, 1 << 64)],
        [Region(0, 4096, 0, 0)] * (MAX_REGIONS + 1),
    ],
)
def test_regions_that_make_no_sense_are_refused(regions: list[Region]) -> None:
    with pytest.raises(ValueError):
        pack_regions(regions)


@pytest.mark.parametrize(
    "packed", [b"", b"x", pack_regions([])[:-1], pack_regions([]) + b"x", bytes(100)]
)
def test_damaged_regions_are_told(packed: bytes) -> None:
    with pytest.raises(ValueError):
        unpack_regions(packed)


def test_regions_that_unfold_without_end_are_not_unfolded() -> None:
    with pytest.raises(ValueError, match="too many"):
        unpack_regions(zlib.compress(bytes(1 << 28)))


@given(st.data())
def test_a_changed_byte_damages_no_other_line(data: st.DataObject) -> None:
    records = series(3)
    content = bytearray(b"".join(map(encode, records)))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    kept = Kept()
    kept.add_lines(line + b"\n" for line in bytes(content).split(b"\n")[:-1])
    # Without its newline a line takes the next one with it.
    assert len(kept.records) >= len(records) - 2
    assert all(record in records for record in kept.records)
    assert kept.nr_damaged or content[-1] != ord("\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time_s", "now"),
        ("time_s", None),
        ("time_s", 10**400),
        ("tenant", 3),
        ("budget", True),
        ("observation", "AAAA"[:3]),
        ("observation", "AAA="),
        ("action", [1.0]),
        ("knobs", []),
        ("knobs", {"min_age_s": "3"}),
        ("reasons", "rate"),
        ("reasons", [1]),
        ("resident_bytes", -1),
        ("resident_bytes", 1.5),
        ("aggr_us", 1 << 64),
        ("regions", "AAAA"),
        ("regions", "\u00e4"),
    ],
)
def test_a_line_that_makes_no_sense_is_told(name: str, value: object) -> None:
    content = read_checked_line(LINE)
    with pytest.raises(ValueError):
        decode(checked_line({**content, name: value}))
    with pytest.raises(ValueError):
        decode(checked_line({key: content[key] for key in content if key != name}))


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]\n", b"3\n", b"[" * 100_000, b"\xff\n", LINE[:-2]]
)
def test_what_is_no_line_is_told(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode(line)


def test_another_releases_line_is_told_from_a_damaged_one() -> None:
    assert decode(checked_line({"format": 2, "what": "who knows"})) is None


@pytest.mark.parametrize("changes", [{"budget": math.nan}, {"observation": (1e300,)}])
def test_a_number_that_cannot_be_kept_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        encode(replace(RECORD, **changes))  # type: ignore[arg-type]


def test_a_network_that_answered_no_number_is_remembered() -> None:
    seen = decode(encode(replace(RECORD, action=(math.nan, 1.0))))
    assert seen is not None
    assert math.isnan(seen.action[0]) and seen.action[1] == 1.0


def one_snapshot() -> Snapshot:
    host = SimHost(_core.Spec("phases"), seed=1, attrs=MONITORING)
    host.start(())
    host.advance(20.0)
    return host.snapshot()


def test_a_static_policy_observes_and_estimates_nothing() -> None:
    seen = one_snapshot()
    record = Experience.of(
        seen,
        STATIC_POLICIES["damon_reclaim"].decide(seen),
        time_s=BEGUN_S,
        run=new_run(),
        tenant="redis",
        mode="act",
        policy_sha256="",
        budget=0.02,
        interval_s=5.0,
    )
    assert (record.observation, record.action, record.slowdown) == ((), (), None)
    assert unpack_regions(record.regions) == seen.regions
    assert decode(encode(record)) == record


def test_a_real_loop_is_kept_whole(tmp_path: Path) -> None:
    records, steps = lived(_core.Spec("phases"), 12)
    keep(tmp_path / "experience", records)
    seen = read_experience(tmp_path / "experience").records
    assert seen == records
    for record, (snapshot, decision) in zip(seen, steps, strict=True):
        assert record.observation == decision.observation
        assert record.action == decision.action
        assert record.knobs == decision.knobs
        assert record.slowdown == decision.slowdown
        assert record.resident_bytes == snapshot.resident_bytes
        assert unpack_regions(record.regions) == snapshot.regions


def test_each_run_has_a_name_of_its_own() -> None:
    assert len({new_run() for _ in range(100)}) == 100


def at(*times_s: float, **changes: object) -> list[Experience]:
    return [replace(RECORD, time_s=t, **changes) for t in times_s]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("records", "lengths"),
    [
        ([], []),
        (at(0, 5, 10), [3]),
        (at(0, 5, 12, 17), [4]),
        (at(0, 5, 15, 20), [2, 2]),
        (at(0, 5, 3, 8), [2, 2]),
        (at(0, 5, 5), [2, 1]),
        (at(0, 5) + at(10, 15, run="another"), [2, 2]),
        (at(0, 5, tenant="a") + at(1, 6, tenant="b") + at(10, tenant="a"), [3, 2]),
    ],
)
def test_a_missing_decision_splits(records: list[Experience], lengths: list[int]) -> None:
    found = stretches(records)
    assert [len(stretch) for stretch in found] == lengths
    for stretch in found:
        assert len({(record.run, record.tenant) for record in stretch}) == 1


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        read_experience(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="experience-00000001"):
        read_experience(tmp_path)
    os.mkfifo(tmp_path / "experience-00000001.jsonl")
    with pytest.raises(RecordingError, match="is no file"):
        read_experience(tmp_path)


def test_a_line_without_end_is_damaged_once(tmp_path: Path) -> None:
    segment = tmp_path / "experience-00000001.jsonl"
    segment.write_bytes(LINE + b"x" * (5 << 20) + b"\n" + LINE)
    kept = read_experience(segment)
    assert (len(kept.records), kept.nr_damaged) == (2, 1)


def test_keeping_experience_needs_nothing_heavy() -> None:
    code = (
        "import sys, damon_tuner.daemon.experience\n"
        "heavy = {'numpy', 'torch', 'gymnasium', 'asyncio', 'subprocess', 'typing_extensions',"
        " 'multiprocessing', 'http', 'tempfile', 'uuid'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
