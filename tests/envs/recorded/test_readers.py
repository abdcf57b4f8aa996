"""Recordings become programs that say what was recorded."""

from __future__ import annotations

import gzip
import json
import math
import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from damon_tuner import _core
from damon_tuner.envs.recorded import FORMATS, Recording, load_recording
from damon_tuner.envs.recorded.numbers import BYTES, COUNT, MILLISECONDS, NANOSECONDS, number
from damon_tuner.errors import RecordingError

from .fixtures import (
    ALL_SAMPLES,
    HEAP,
    MAP,
    MASIM,
    MIB,
    SAMPLES,
    THREE_RANGES,
    TRACE,
    damo_json,
    damo_records,
    perf_script,
)


def load(tmp_path: Path, data: bytes, format: str | None = None, **options: float) -> Recording:
    path = tmp_path / "recording"
    path.write_bytes(data)
    return load_recording(path, format, options)


def state_at(recording: Recording, at_s: float, byte: float) -> tuple[float, float]:
    """Rate and touched share of a byte, as the rows say."""
    state = (0.0, 0.0)
    for at, start, end, rate_hz, touched in recording.rows:
        if at <= at_s and start <= byte < end:
            state = (float(rate_hz), float(touched))
    return state


@pytest.mark.parametrize(("format", "data"), ALL_SAMPLES)
def test_formats_are_found_out_and_can_be_played(tmp_path: Path, format: str, data: bytes) -> None:
    recording = load(tmp_path, data)
    assert recording.format == format
    size = (float(recording.footprint_bytes),) * 2
    loop = (recording.loop_s,) * 2
    batch = _core.Batch(1)
    spec = _core.Spec(
        "recorded", {"footprint_bytes": size, "loop_s": loop}, program=recording.rows
    )
    batch.reset(0, spec, 1, 0.02)
    batch.step(None, 5_000_000)
    assert 0 < batch.snapshot(0)["resident_bytes"] <= recording.footprint_bytes + 4096


@pytest.mark.parametrize(
    "data",
    [
        damo_json(THREE_RANGES),
        damo_json(THREE_RANGES, None),
        perf_script(THREE_RANGES),
        perf_script(THREE_RANGES, ages=True),
    ],
)
def test_damon_snapshots_are_compacted_and_inverted(tmp_path: Path, data: bytes) -> None:
    recording = load(tmp_path, data)
    # 2 MiB of heap, 2 of map, 1 of stack; what lies between them is gone
    assert recording.footprint_bytes == 5 * MIB
    assert recording.loop_s == pytest.approx(4.0, abs=0.01)
    always = math.log(2 * 200) / 0.005
    half = math.log(2) / 0.005
    assert state_at(recording, 0.5, 3 * MIB) == pytest.approx((always, 1.0), rel=1e-6)
    assert state_at(recording, 3.5, 3 * MIB) == pytest.approx((half, 1.0), rel=1e-6)
    assert state_at(recording, 0.5, 0) == (0.0, 1.0)
    # the heap's second half is not there at first
    assert state_at(recording, 0.5, 1.5 * MIB) == (0.0, 0.0)
    assert state_at(recording, 3.5, 1.5 * MIB) == (0.0, 1.0)
    assert state_at(recording, 0.5, 4.5 * MIB) == (0.0, 1.0)


def test_memory_that_is_no_longer_monitored_is_freed(tmp_path: Path) -> None:
    late = [(MAP, MAP + MIB, 3)]
    early = [(HEAP, HEAP + MIB, 3), *late]
    recording = load(tmp_path, damo_json([early] * 20 + [late] * 20))
    assert state_at(recording, 0.5, 0)[1] == 1.0
    assert state_at(recording, 2.5, 0) == (0.0, 0.0)
    assert state_at(recording, 2.5, MIB)[1] == 1.0


def test_counts_are_averaged_over_a_second(tmp_path: Path) -> None:
    regions = [[(MAP, MAP + MIB, 20 * (k % 2))] for k in range(20)]
    recording = load(tmp_path, damo_json(regions))
    assert len(recording.rows) == 2
    assert recording.rows[:, 3] == pytest.approx(math.log(2) / 0.005)


def test_the_sampling_interval_is_the_records_own_or_what_is_said(tmp_path: Path) -> None:
    regions = [[(MAP, MAP + MIB, 5)]] * 10
    assert load(tmp_path, damo_json(regions)).rows[0, 3] == pytest.approx(
        -math.log(1 - 5 / 20) / 0.005
    )
    assert load(tmp_path, perf_script(regions), sample_us=10_000).rows[0, 3] == pytest.approx(
        -math.log(1 - 5 / 10) / 0.01
    )


def test_a_single_snapshot_stands_still(tmp_path: Path) -> None:
    recording = load(tmp_path, damo_json([[(MAP, MAP + MIB, 5), (MAP + MIB, MAP + 2 * MIB, 0)]]))
    assert recording.loop_s == 0.0
    assert len(recording.rows) == 2


def test_targets_follow_each_other(tmp_path: Path) -> None:
    records = damo_records([[(MAP, MAP + MIB, 20)]] * 3) + damo_records(
        [[(MAP, MAP + MIB, 0)]] * 3
    )
    recording = load(tmp_path, json.dumps(records).encode())
    assert recording.footprint_bytes == 2 * MIB
    assert state_at(recording, 0.0, 0)[0] > 100.0
    assert state_at(recording, 0.0, MIB) == (0.0, 1.0)


def test_an_address_trace_is_counted_in_windows(tmp_path: Path) -> None:
    recording = load(tmp_path, TRACE)
    # ten pages, each accessed a hundred times, one after another
    assert recording.footprint_bytes == 10 * 4096
    assert recording.loop_s == 60.0
    accesses = 0.0
    for second in np.arange(0.25, 60.0, 0.5):
        accesses += sum(state_at(recording, second, k * 4096)[0] for k in range(10)) * 0.5
    assert accesses == pytest.approx(1000, rel=1e-6)
    assert [state_at(recording, 3.0, k * 4096)[1] for k in range(3)] == [1.0, 0.0, 0.0]
    assert state_at(recording, 59.0, 0) == (0.0, 1.0)


def test_an_address_trace_can_be_played_at_the_speed_of_a_core(tmp_path: Path) -> None:
    recording = load(tmp_path, TRACE, instructions_per_s=1000)
    assert recording.loop_s == pytest.approx(10.0, rel=1e-3)


def test_many_pages_share_places(tmp_path: Path) -> None:
    lines = "".join(f"l {k * 8192:#x} 1\n" for k in range(50_000))
    recording = load(tmp_path, lines.encode())
    assert recording.footprint_bytes == 50_000 * 4096
    assert len({row[1] for row in recording.rows}) <= 2000
    assert state_at(recording, 60.0, 49_999 * 4096)[1] == 1.0


def test_masim_divides_its_accesses(tmp_path: Path) -> None:
    recording = load(tmp_path, MASIM, accesses_per_s=1e6)
    assert recording.footprint_bytes == MIB + 4096
    assert recording.loop_s == 2.0
    # in order, by 64 bytes: 64 accesses to a page are one
    assert state_at(recording, 0.0, 0) == pytest.approx((0.75e6 / 64 / 256, 1.0))
    assert state_at(recording, 0.0, MIB) == pytest.approx((0.25e6, 1.0))
    assert state_at(recording, 1.6, 0) == (0.0, 1.0)
    assert state_at(recording, 1.6, MIB) == pytest.approx((1e6, 1.0))


def test_masim_strides_beyond_a_page_leave_pages_untouched(tmp_path: Path) -> None:
    config = b"a, 1048576\n\nphase\n1000\na, 0, 8192, 1\n\nphase\n1000\na, 1, 64, 1\n"
    recording = load(tmp_path, config, accesses_per_s=1000)
    assert state_at(recording, 0.0, 0) == pytest.approx((1000 / 128, 0.5))
    assert state_at(recording, 1.0, 0) == pytest.approx((1000 / 256, 1.0))


@pytest.mark.parametrize(
    ("value", "units", "expected"),
    [
        ("4,294,967,296", BYTES, 4294967296.0),
        ("31.340 MiB", BYTES, 31.34 * MIB),
        ("0 B", BYTES, 0.0),
        ("5 ms", NANOSECONDS, 5e6),
        ("1.5 s", MILLISECONDS, 1500.0),
        (21, COUNT, 21.0),
        (1.5, COUNT, 1.5),
        ("1e3", COUNT, 1000.0),
    ],
)
def test_numbers_are_read(value: object, units: dict[str, float], expected: float) -> None:
    assert number(value, units, "x") == pytest.approx(expected)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        "max",
        "-1",
        -1,
        "nan",
        math.nan,
        math.inf,
        "1e999",
        "1 MiB",
        "9" * 99,
        10**30,
        [],
        {},
        "1 1",
        "0x10",
    ],
)
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(RecordingError, match="x is not a number"):
        number(value, COUNT, "x")


_RECORD = damo_records([[(MAP, MAP + MIB, 5)]])[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no format that is known"),
        (b"hello\n", "no format that is known"),
        (b"\x7fELF\xff\xfe", "neither text"),
        (b"PERFILE2" + bytes(100), "perf script"),
        (b"[]", "no list of damo's records"),
        (b"{}", "no list of damo's records"),
        (b"[1]", "no intervals where damo writes one"),
        (b"[" * 100_000, "not JSON"),
        (b'[{"snapshots": []}]', "no snapshot"),
        (b'[{"snapshots": [{}]}]', "start_time"),
        (b'[{"snapshots": 3}]', "no snapshots"),
        (b"[" + b"9" * 5000 + b"]", "not JSON"),
        (SAMPLES["damo"][:-50], "not JSON"),
        (damo_json([[(MAP, MAP, 5)]]), "behind its start"),
        (damo_json([[(MAP, MAP + MIB, 5), (MAP + 1, MAP + 2, 5)]]), "overlap"),
        (damo_json([[(0, 2**63, 5)]]), "2.53"),
        (damo_json([[(0, 2**50, 5)]]), "2.46"),
        (json.dumps([_RECORD, {**_RECORD, "intervals": None}]).encode(), "different intervals"),
        (perf_script(THREE_RANGES).replace(b"nr_regions=", b"nr="), "line 3 is not as perf"),
        (perf_script([[(MAP, MAP + MIB, 5)] * 2]), "overlap"),
        (zlib.compress(SAMPLES["damo"])[:-10], "cut off"),
        (gzip.compress(TRACE)[:-10], "cut off"),
        (zlib.compress(SAMPLES["damo"])[:40] + bytes(100), "damaged"),
        (zlib.compress(bytes(100 << 20)), "64 MiB"),
        (gzip.compress(b"l 0x1 1\n" * (9 << 20)), "64 MiB"),
        (b"l 0x1 1\nl 0x2\n", "line 2 is not"),
        (b"l 0x1 999999999999\n" * 2000, "2.50"),
        (b"a, 100\n", "no phase"),
        (b"a, 100\na, 100\n\np\n1\na,0,1,1\n", "line 2: 'a' is there twice"),
        (b"a, 0\n\np\n1\na,0,1,1\n", "no length"),
        (b"a, 1e30\n\np\n1\na,0,1,1\n", "no length"),
        (b"a, 9\n\np\nsoon\na,0,1,1\n", "line 4: time"),
        (b"a, 9\n\np\n1\n", "line 3: a phase is"),
        (b"a, 9\n\np\n1\nb,0,1,1\n", "no region 'b'"),
        (b"a, 9\n\np\n1\na,0,1,0\n", "probabilities are 0"),
        (b"a, 9\n\np\n1\na,0\n", "2 fields"),
        (b"".join(b"r%d, 9\n" % k for k in range(5000)) + b"\np\n1\nr1,0,1,1\n", "4000 regions"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_refused_in_one_line(
    tmp_path: Path, data: bytes, message: str
) -> None:
    with pytest.raises(RecordingError, match=message) as caught:
        load(tmp_path, data)
    assert "\n" not in str(caught.value)
    assert "recording" in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nowhere: cannot be read"):
        load_recording(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="cannot be read"):
        load_recording(tmp_path)


def test_an_option_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="sample_us is not for the format masim, acc"):
        load(tmp_path, MASIM, sample_us=5000)
    with pytest.raises(RecordingError, match="would last"):
        load(tmp_path, TRACE, instructions_per_s=1e12)


def _real_files() -> list[Path]:
    folder = os.environ.get("DAMON_TUNER_TEST_DATA")
    return sorted(path for path in Path(folder).glob("*/*") if path.is_file()) if folder else []


@pytest.mark.parametrize(
    "path",
    _real_files()
    or [pytest.param(None, marks=pytest.mark.skip("DAMON_TUNER_TEST_DATA is unset"))],
    ids=lambda path: path.name if path else "none",
)
def test_real_recordings_are_read(path: Path) -> None:
    if path.name.startswith(("COPYING", "LICENSE")) or path.name == "perf.data":
        with pytest.raises(RecordingError):
            load_recording(path)
        return
    recording = load_recording(path)
    assert recording.format in FORMATS
    assert recording.footprint_bytes > 0
    assert len(recording.rows) > 0


@pytest.mark.skipif("DAMON_TUNER_TEST_DATA" not in os.environ, reason="its folder is not named")
def test_the_two_forms_of_a_real_record_say_the_same() -> None:
    folder = Path(os.environ["DAMON_TUNER_TEST_DATA"]) / "damo-tests-report"
    first = load_recording(folder / "damon.data")
    second = load_recording(folder / "damon.data.json_compressed")
    assert first == second
    assert np.array_equal(first.rows, second.rows)
    assert first.footprint_bytes == 240_250_880
    assert first.loop_s == pytest.approx(56.797, abs=0.01)
