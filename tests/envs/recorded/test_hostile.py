"""Whatever a recording holds, it is read or refused in one line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from damon_tuner.envs.recorded import load_recording
from damon_tuner.errors import RecordingError

from .fixtures import ALL_SAMPLES, SAMPLES

_PIECES = [b"0", b"-1", b"1e308", b"nan", b",", b"\n", b"\x00", b"[", b"}", b'"', b"9" * 40, b"0x"]


def read_or_refuse(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        recording = load_recording(path)
    except RecordingError as error:
        assert "\n" not in str(error)
        return
    assert len(recording.rows)
    assert recording.footprint_bytes > 0


def mutated(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        until = min(len(data), at + rng.choice([0, 1, 1, 3, 20]))
        data = data[:at] + rng.choice([b"", bytes([rng.randrange(256)]), *_PIECES]) + data[until:]
    return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.1 else data


@pytest.mark.parametrize(("format", "data"), ALL_SAMPLES)
def test_mutated_recordings(tmp_path: Path, format: str, data: bytes) -> None:
    rng = random.Random(format + str(len(data)))
    for _ in range(150):
        read_or_refuse(tmp_path / "recording", mutated(data, rng))


@given(data=st.binary(max_size=300), start=st.sampled_from([b"", *SAMPLES.values()]))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_garbage(tmp_path: Path, data: bytes, start: bytes) -> None:
    read_or_refuse(tmp_path / "recording", start[:200] + data)
