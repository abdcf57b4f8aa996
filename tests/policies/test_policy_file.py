"""A policy file is read whole and checked, or refused with a word on what to do."""

import json
import math
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from damon_tuner.errors import PolicyFileError
from damon_tuner.policies import policy_file, schema
from damon_tuner.policies.policy_file import Policy, load_policy, save_policy
from damon_tuner.policies.schema import RECLAIM, Schema

from .helpers import NR_FEATURES, NR_KNOBS, random_policy, tensor


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("policy") / "p.safetensors"
    save_policy(random_policy(), path)
    return path.read_bytes()


def _refused(tmp_path: Path, raw: bytes) -> str:
    path = tmp_path / "p.safetensors"
    path.write_bytes(raw)
    with pytest.raises(PolicyFileError) as caught:
        load_policy(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _edited(raw: bytes, edit: Callable[[dict[str, Any]], object]) -> bytes:
    """The file with its header changed, well-formed again."""
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    edit(header)
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + raw[8 + length :]


@pytest.mark.parametrize("output", ["clip", "tanh"])
def test_what_was_saved_is_loaded(tmp_path: Path, output: str) -> None:
    policy = replace(random_policy(), output=output)
    path = tmp_path / "sub" / "p.safetensors"
    save_policy(policy, path)
    assert load_policy(path) == policy
    assert os.listdir(path.parent) == ["p.safetensors"]


def test_the_formats_own_library_reads_it(tmp_path: Path) -> None:
    policy = random_policy()
    path = tmp_path / "p.safetensors"
    save_policy(policy, path)
    tensors = load_file(path)
    assert tensors["layers.0.weight"].shape == (16, NR_FEATURES)
    assert tensors["normaliser.mean"].tobytes() == policy.mean.data
    assert tensors["observation.low"].tolist() == list(policy.envelope.low)
    assert tensors["observation.high"].tolist() == list(policy.envelope.high)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_truncated_file_is_refused(tmp_path: Path, saved: bytes, share: float) -> None:
    message = _refused(tmp_path, saved[: int(len(saved) * share)])
    assert "truncated; copy or export it again" in message


def test_an_altered_weight_is_refused(tmp_path: Path, saved: bytes) -> None:
    raw = bytearray(saved)
    raw[-3] ^= 1
    assert "checksum differs" in _refused(tmp_path, bytes(raw))


def test_an_altered_provenance_is_refused(tmp_path: Path, saved: bytes) -> None:
    raw = saved.replace(b"by a test", b"by a fake")
    assert "checksum differs" in _refused(tmp_path, raw)


def test_another_schema_is_refused(
    tmp_path: Path, saved: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "SCHEMA_VERSION", schema.SCHEMA_VERSION + 1)
    assert "another observation schema; train and export" in _refused(tmp_path, saved)


def test_another_format_is_refused(
    tmp_path: Path, saved: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_file, "FORMAT_VERSION", 4)
    assert "this release reads 4; export the policy again" in _refused(tmp_path, saved)


@pytest.mark.parametrize(
    "edit",
    [
        lambda h: h.pop("__metadata__"),
        lambda h: h.update(__metadata__={"damon_tuner": "[]"}),
        lambda h: h.update(__metadata__={"damon_tuner": "{"}),
        lambda h: h.update(__metadata__=7),
        lambda h: h["normaliser.mean"].update(data_offsets=[-4, 4]),
        lambda h: h["normaliser.mean"].update(data_offsets=None),
        lambda h: h["normaliser.mean"].update(dtype="F64"),
        lambda h: h["layers.0.bias"].update(shape=[3]),
        lambda h: h.update(more={"dtype": "F32", "shape": [], "data_offsets": [0, 4]}),
    ],
)
def test_a_header_that_lies_is_refused(
    tmp_path: Path, saved: bytes, edit: Callable[[dict[str, Any]], object]
) -> None:
    assert _refused(tmp_path, _edited(saved, edit))


@pytest.mark.parametrize("raw", [b"{}", b"\xff" * 64, struct.pack("<Q", 2) + b"[]", b"\x80\x04."])
def test_other_files_are_refused(tmp_path: Path, raw: bytes) -> None:
    assert _refused(tmp_path, raw)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    policy = random_policy()
    bad = np.full(NR_FEATURES, np.nan)
    path = tmp_path / "p.safetensors"
    save_policy(replace(policy, mean=tensor(bad)), path)
    with pytest.raises(PolicyFileError, match="not finite"):
        load_policy(path)


@dataclass(frozen=True)
class _Ranges:
    """What an envelope itself refuses, as another program might write it."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    schema: Schema = RECLAIM


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (math.nan, 1.0, "not finite"),
        (0.0, math.inf, "not finite"),
        (1.0, 0.0, "not a damon-tuner policy file"),
    ],
)
@pytest.mark.parametrize("nr", [NR_FEATURES, NR_FEATURES - 1, 0])
def test_an_envelope_that_is_none_is_refused(
    tmp_path: Path, low: float, high: float, message: str, nr: int
) -> None:
    envelope: Any = _Ranges((low,) * nr, (high,) * nr)
    path = tmp_path / "p.safetensors"
    save_policy(replace(random_policy(), envelope=envelope), path)
    with pytest.raises(PolicyFileError, match=message if nr else "not a damon-tuner policy file"):
        load_policy(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(PolicyFileError, match="cannot be read"):
            load_policy(path)


def test_a_network_of_another_width_is_refused(tmp_path: Path) -> None:
    layers = ((tensor(np.zeros((NR_KNOBS, 3))), tensor(np.zeros(NR_KNOBS))),)
    policy = replace(
        random_policy(), mean=tensor(np.zeros(3)), scale=tensor(np.ones(3)), layers=layers
    )
    path = tmp_path / "p.safetensors"
    save_policy(policy, path)
    with pytest.raises(PolicyFileError, match="not a damon-tuner policy"):
        load_policy(path)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_mutation_gets_through_or_crashes(
    tmp_path_factory: pytest.TempPathFactory, saved: bytes, data: st.DataObject
) -> None:
    raw = bytearray(saved)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("mutated") / "p.safetensors"
    path.write_bytes(bytes(raw))
    try:
        assert load_policy(path) == random_policy()
    except PolicyFileError:
        pass


@pytest.mark.parametrize(
    "policy",
    [
        random_policy(0, (8,) * 12),
        random_policy(0, (2_000,)),
        replace(random_policy(), clip=float("inf")),
        replace(random_policy(), clip=-1.0),
        replace(random_policy(), clip=10**400),
        replace(random_policy(), output="relu"),
    ],
    ids=["deep", "wide", "unclipped", "negative", "huge", "unbounded"],
)
def test_a_signed_but_impossible_network_is_refused(tmp_path: Path, policy: Policy) -> None:
    path = tmp_path / "p.safetensors"
    save_policy(policy, path)
    with pytest.raises(PolicyFileError, match="not a damon-tuner policy"):
        load_policy(path)


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(PolicyFileError, match="cannot be read"):
        load_policy(path)


def test_a_failed_save_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.safetensors"
    save_policy(random_policy(1), path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_policy(random_policy(2), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["p.safetensors"]
