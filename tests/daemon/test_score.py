"""An application's score: what is believed, and that nothing it does holds the daemon up."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from damon_tuner.daemon import score as score_module
from damon_tuner.daemon.config import Score
from damon_tuner.daemon.score import ScoreReader

_readers: list[ScoreReader] = []


@pytest.fixture(autouse=True)
def no_program_outlives_its_test() -> Iterator[None]:
    """A zombie left behind would be reaped by whichever later test waits for any child."""
    yield
    while _readers:
        _readers.pop().close()
    deadline_s = time.monotonic() + 30.0
    while score_module._dying:
        score_module._reap()
        assert time.monotonic() < deadline_s
        os.sched_yield()


def of_file(path: Path, floor: float = 0.9) -> ScoreReader:
    return ScoreReader(Score(path, (), floor), time.monotonic)


def of_program(text: str, *, timeout_s: float = 30.0) -> ScoreReader:
    command = (sys.executable, "-S", "-c", text)
    _readers.append(ScoreReader(Score(None, command, 0.9, timeout_s), time.monotonic))
    return _readers[-1]


def until(reader: ScoreReader, condition: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + 30.0
    below = reader.is_below_floor()
    while not condition() and time.monotonic() < deadline_s:
        below = reader.is_below_floor()
    return below


@pytest.mark.parametrize(
    ("text", "below"), [("0.95", False), ("0.89\n", True), ("1e3 ops", False), ("-1", True)]
)
def test_a_file(tmp_path, text, below):
    (tmp_path / "score").write_text(text)
    reader = of_file(tmp_path / "score")
    assert reader.is_below_floor() is below
    assert reader.trouble == ""


@pytest.mark.parametrize("text", ["", "fast", "nan", "inf", "0x1", "\0" * 1000])
def test_what_is_no_number_is_said_and_counts_as_too_low_after_a_while(tmp_path, text):
    (tmp_path / "score").write_text(text)
    reader = of_file(tmp_path / "score")
    assert [reader.is_below_floor() for _ in range(4)] == [False, False, True, True]
    assert reader.trouble == "the score is no number"
    (tmp_path / "score").write_text("1.0")
    assert not reader.is_below_floor()


def test_a_file_that_nobody_writes_any_more_is_no_score(tmp_path):
    (tmp_path / "score").write_text("1.0")
    os.utime(tmp_path / "score", (0, 0))
    reader = of_file(tmp_path / "score")
    assert [reader.is_below_floor() for _ in range(3)] == [False, False, True]
    assert reader.trouble.endswith("was not written for 60 s")


def test_a_missing_file_and_a_pipe_are_said(tmp_path):
    assert not of_file(tmp_path / "none").is_below_floor()
    os.mkfifo(tmp_path / "pipe")
    reader = of_file(tmp_path / "pipe")
    assert not reader.is_below_floor()
    assert "is no file" in reader.trouble


@pytest.mark.parametrize(("printed", "below"), [("0.5", True), ("0.99", False)])
def test_a_program_is_asked_anew_each_round(printed, below):
    reader = of_program(f"print({printed})")
    assert until(reader, lambda: reader.value is not None) is below
    reader.close()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import sys; print(1); sys.exit(3)", "ended with status 3"),
        ("print('x' * 100000)", "prints more than a number"),
        ("import os; os.kill(os.getpid(), 9)", "ended with status -9"),
    ],
)
def test_a_program_that_fails_is_said(text, told):
    reader = of_program(text)
    until(reader, lambda: bool(reader.trouble))
    assert told in reader.trouble
    reader.close()


def test_a_program_that_takes_too_long_is_killed_with_its_children():
    child = "[sys.executable, '-c', 'import time; time.sleep(600)']"
    reader = of_program(f"import subprocess, sys; subprocess.run({child})", timeout_s=0.3)
    began_s = time.monotonic()
    until(reader, lambda: bool(reader.trouble))
    assert "took more than 0.3 s" in reader.trouble
    assert time.monotonic() - began_s < 20.0
    reader.close()


def test_a_program_that_is_not_there_is_said():
    reader = ScoreReader(Score(None, ("/nowhere/score",), 0.9), time.monotonic)
    assert not reader.is_below_floor()
    assert "/nowhere/score cannot be run" in reader.trouble


def test_asking_takes_no_time():
    reader = of_program("import time; time.sleep(600)")
    began_s = time.monotonic()
    for _ in range(100):
        reader.is_below_floor()
    assert time.monotonic() - began_s < 1.0
    reader.close()
