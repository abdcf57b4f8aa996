"""The command line: what it teaches, and that every mistake is one line that says what to do."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from damon_tuner.cli import main
from damon_tuner.policies.rules import STATIC_POLICIES

COMMANDS = (
    *(
        "tune",
        "train",
        "evaluate",
        "export",
        "run",
        "restore",
        "kernel-demo",
        "calibrate",
        "figures",
        "attributes",
    ),
    *("workload", "doctor", "huge-pages", "status", "top", "pause", "resume"),
)


def _error(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("damon-tuner: error: ")
    return captured.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert len(capsys.readouterr().out) > 150


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_doctor_reports_on_any_host(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["doctor", *options])
    captured = capsys.readouterr()
    assert captured.err == ""
    ready = json.loads(captured.out)["ready"] if options else "\nReady: " in captured.out
    assert status == (0 if ready else 1)


@pytest.mark.parametrize("budget", ["0", "2", "-1%", "two", "nan", "101%"])
def test_a_budget_that_is_no_share_is_refused(
    budget: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", f"--budget={budget}"])
    assert caught.value.code == 2
    assert "budget" in capsys.readouterr().err


def test_an_unknown_knob_group_is_refused_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--knobs", "reclaim,tiers"])
    said = capsys.readouterr().err
    assert "'tiers' is no knob group" in said
    assert "reclaim, goals, tiering, thp" in said


def test_a_truncated_policy_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from damon_tuner.policies.policy_file import save_policy

    from ..policies.helpers import random_policy

    path = tmp_path / "p.safetensors"
    save_policy(random_policy(), path)
    path.write_bytes(path.read_bytes()[:-50])
    for command in (
        ["evaluate", "--policy", str(path)],
        ["run", "--pid", "1", "--policy", str(path)],
    ):
        assert "truncated; copy or export it again" in _error(capsys, *command)


def test_an_unknown_workload_key_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "load.toml"
    path.write_text('family = "kv"\n[workload]\nskwe = 1\n')
    message = _error(capsys, "train", "--workload", str(path), "--out", str(tmp_path / "o"))
    assert "'skwe'" in message
    assert "'skew'" in message


@pytest.mark.parametrize("command", ["train", "tune", "evaluate"])
def test_an_unknown_host_profile_is_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [
        command,
        "--profile",
        "zrm",
        *(["--out", str(tmp_path)] if command != "evaluate" else []),
    ]
    assert "did you mean 'zram'" in _error(capsys, *argv)


def test_a_host_profile_reaches_the_evaluation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workload, host = tmp_path / "small.toml", tmp_path / "host.toml"
    workload.write_text('family = "phases"\n[workload]\nfootprint_bytes = 6e8\n')
    host.write_text("[profile]\npool_share = 0\nswap_ratio = 0\n")
    argv = ["evaluate", "--workload", str(workload), "--seeds", "1", "--json"]
    saved = []
    for more in ([], ["--profile", str(host)]):
        assert main([*argv, *more]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        saved.append(max(row["resident_saving"] for row in rows))
    # without a place to page out to nothing is saved
    assert saved[0] > 0.05
    assert abs(saved[1]) < 1e-6


def test_a_demo_that_was_not_run_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = _error(capsys, "figures", "kernel", "--reuse", str(tmp_path))
    assert "run damon-tuner kernel-demo" in message


def test_evaluate_prints_every_episode_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workload = tmp_path / "small.toml"
    workload.write_text('family = "phases"\n[workload]\nfootprint_bytes = 6e8\n')
    argv = ["evaluate", "--workload", str(workload), "--seeds", "2", "--json", "--budget", "5%"]
    assert main(argv) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == (len(STATIC_POLICIES) + 1) * 2
    assert {row["budget"] for row in rows} == {0.05}
    assert {row["contender"] for row in rows} >= {"none", "learned"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_ends_quietly_and_leaves_no_policy(
    tmp_path: Path, number: int
) -> None:
    command = [sys.executable, "-m", "damon_tuner", "train", "--out", str(tmp_path / "o")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60.0
        while not (tmp_path / "o" / "run").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60.0)
    assert process.returncode == 130
    assert stderr.strip().endswith("damon-tuner: stopped")
    assert "Traceback" not in stderr
    assert not (tmp_path / "o" / "policy.safetensors").exists()
