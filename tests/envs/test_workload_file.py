"""Workload files say what they mean, or are refused with a word on what to do."""

from pathlib import Path

import pytest

from damon_tuner import _core
from damon_tuner.envs.workload_file import (
    HELD_OUT_FAMILIES,
    TRAINING_FAMILIES,
    Workload,
    bundled_workload,
    load_workload,
    load_workloads,
)
from damon_tuner.errors import WorkloadFileError


def _load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "load.toml"
    path.write_text(text)
    return load_workload(path)


def test_ranges_and_numbers_reach_the_simulator(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'family = "kv"\n[workload]\nskew = 1.25\nfootprint_bytes = [1e9, 2e9]\n'
        "[profile]\nswap_in_us = 77\n"
    )
    workload = load_workload(path)
    batch = _core.Batch(8)
    for host in range(8):
        batch.reset(host, workload.spec(), host, 0.02)
        drawn = batch.parameters(host)
        assert drawn["skew"] == 1.25
        assert drawn["swap_in_us"] == pytest.approx(77)
        assert 1e9 <= drawn["footprint_bytes"] <= 2e9
    assert workload.name == "mine"


@pytest.mark.parametrize("name", _core.FAMILIES)
def test_bundled_workloads_run(name: str) -> None:
    batch = _core.Batch(1)
    batch.reset(0, bundled_workload(name).spec(), 1, 0.02)
    batch.step(None, 2_000_000)


def test_every_family_is_trained_on_or_held_out() -> None:
    named = [*TRAINING_FAMILIES, *HELD_OUT_FAMILIES]
    assert sorted(named) == sorted(_core.FAMILIES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('family = "kv"\n[workload]\nskeww = 1.0', "unknown key in .workload.: 'skeww'.*'skew'"),
        ('family = "kv"\n[profile]\nswap_us = 1.0', "'swap_us'.*'swap_in_us'"),
        ('famly = "kv"', "unknown key: 'famly'.*'family'"),
        ('family = "kvs"', "unknown family 'kvs'; did you mean 'kv'"),
        ('family = "zzz"', "known are kv"),
        ('family = ["kv"]', "unknown family"),
        ('family = "kv"\n[workload]\nskew = [2, 1]', "must rise"),
        ('family = "kv"\n[workload]\nskew = 99', "within"),
        ('family = "kv"\n[workload]\nskew = nan', "within"),
        ('family = "kv"\n[workload]\nskew = "high"', "must be a number"),
        ('family = "kv"\n[workload]\nskew = [1, 2, 3]', "must be a number"),
        ('family = "kv"\n[workload]\nskew = true', "must be a number"),
        ('family = "kv"\nworkload = 3', "must be a table"),
        ("family = kv", "load.toml"),
        ("", "unknown family None"),
        ('family = "recorded"', "needs a file: recording"),
        ('recording = "nowhere.data"', "nowhere.data: cannot be read"),
        ("recording = 3", "must be the name of a file"),
        ('recording = "a\\u0000b"', "must be the name of a file"),
        ('recording = "x"\nfamily = "kv"', "leave it out"),
        ('recording = "x"\nformat = "dama"', "unknown format 'dama'; did you mean 'damo'"),
        ('recording = "x"\nsample_us = [1, 2]', "must be a number, not a range"),
        ('recording = "x"\nsample_us = 0', "within"),
        ('recording = "x"\n[workload]\nspede = 1', "'spede'.*'speed'"),
        ('family = "kv"\nformat = "damo"', "format is for a recording"),
    ],
)
def test_mistakes_are_named_with_what_to_do(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WorkloadFileError, match=message) as caught:
        _load(tmp_path, text)
    assert "\n" not in str(caught.value)


_MASIM = "a, 4M\n\nfirst\n1000\na, 1, 64, 1\n\nsecond\n1000\na, 1, 64, 1\n"


def test_a_recording_is_played_in_its_own_size_and_over_and_over(tmp_path: Path) -> None:
    (tmp_path / "load.cfg").write_text(_MASIM)
    workload = _load(tmp_path, 'recording = "load.cfg"\n[workload]\nspeed = [1, 2]')
    assert isinstance(workload, Workload)
    batch = _core.Batch(1)
    batch.reset(0, workload.spec(), 1, 0.02)
    drawn = batch.parameters(0)
    assert (drawn["footprint_bytes"], drawn["loop_s"]) == (4 * 2**20, 2.0)
    assert 1.0 <= drawn["speed"] <= 2.0


@pytest.mark.parametrize(("loop", "fits"), [("0", True), ("5", True), ("1", False)])
def test_a_loop_holds_its_recording(tmp_path: Path, loop: str, fits: bool) -> None:
    (tmp_path / "load.cfg").write_text(_MASIM)
    text = f'recording = "load.cfg"\n[workload]\nloop_s = {loop}'
    if fits:
        _load(tmp_path, text)
        return
    with pytest.raises(WorkloadFileError, match="loop_s must be 0, or above the 1 s"):
        _load(tmp_path, text)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "load.toml", tmp_path / "b" / "load.toml"]
    for path in paths:
        path.parent.mkdir()
        path.write_text('family = "kv"')
    with pytest.raises(WorkloadFileError, match="called load: rename one"):
        load_workloads(paths)


def test_missing_and_binary_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(WorkloadFileError, match="nowhere"):
        load_workload(tmp_path / "nowhere.toml")
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WorkloadFileError, match="binary"):
        load_workload(path)


def test_an_unknown_bundled_name_gets_the_nearest() -> None:
    with pytest.raises(WorkloadFileError, match="did you mean 'phases'"):
        bundled_workload("phase")
