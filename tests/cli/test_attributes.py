"""``damon-tuner attributes``: what it prints, and how it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from damon_tuner.cli import main


def test_a_simulated_load_is_watched_and_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attributes", "--workload", "scan", "--seconds", "120", "--seed", "1"]) == 0
    captured = capsys.readouterr()
    assert "watched for 120 s" in captured.out
    assert "sequential up" in captured.out
    assert "prefetch 0x" in captured.out


def test_programs_get_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["attributes", "--workload", "kv", "--seconds", "40", "--interval", "2", "--json"]
    assert main(argv) == 0
    parsed = json.loads(capsys.readouterr().out)
    assert parsed["nr_snapshots"] == 20
    assert parsed["merging"] is None
    assert {"start", "end", "pattern", "heat_class", "reuse_s"} <= set(parsed["ranges"][0])


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--pid", "1", "--physical"],
        ["--pid", "0"],
        ["--workload", "kv", "--interval", "0.01"],
        ["--workload", "kv", "--pages", "-1"],
    ],
)
def test_wrong_use_is_explained(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["attributes", *argv])
    assert caught.value.code == 2
    assert "usage: damon-tuner attributes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--workload", "scann"], "did you mean 'scan'"),
        (["--workload", "kv", "--cgroup", "a"], "add --physical"),
        (["--pid", "4194305"], "process 4194305 is gone, or a kernel thread"),
    ],
)
def test_what_cannot_be_is_one_line(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["attributes", *argv]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert says in captured.err


def _wait_until_busy(pid: int) -> None:
    """Until it has used a second and a half of a CPU, of which a start takes half of one."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if int(fields[11]) >= 1.5 * os.sysconf("SC_CLK_TCK"):
            return
        time.sleep(0.05)
    pytest.fail("the command does nothing")


def test_an_interrupt_ends_the_watch_and_the_report_comes() -> None:
    command = [sys.executable, "-m", "damon_tuner", "attributes", "--workload", "kv"]
    # far more than could be simulated until the signal
    command += ["--seconds", "1000000", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        _wait_until_busy(process.pid)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    parsed = json.loads(out)
    assert parsed["ended_early"] == "stopped by a signal"
    assert parsed["nr_snapshots"] > 0
