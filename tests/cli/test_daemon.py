"""The commands that ask the daemon: what they print, and what their exit status says."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from damon_tuner.cli import main
from damon_tuner.cli.daemon import SOCKET
from damon_tuner.daemon.config import Config
from damon_tuner.daemon.status import DaemonStatus, from_json, to_dict

from ..daemon.serving import serving
from ..daemon.statuses import GONE, REDIS, STATUS


def _run(status: DaemonStatus, tmp_path: Path, *argv: str) -> int:
    with serving(tmp_path / "socket", lambda command: to_dict(status)):
        return main([*argv, "--socket", str(tmp_path / "socket")])


def test_the_status_is_read_at_a_glance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = replace(
        REDIS, name="we\x1b[2Jb", phase="holding", reason="pressure", guard=("pressure", "hold")
    )
    assert _run(replace(STATUS, tenants=(REDIS, GONE, held)), tmp_path, "status") == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert "managing" in lines["damon-tunerd"]
    redis = "redis managing 1.5 GiB 640 MiB 480 MiB 1.2% 0.9% 2.0% 30 s 1.4 MiB/s"
    assert lines["redis"] == redis.split()
    assert lines["batch"] == "batch waiting - - - - - 2.0% - -".split()
    assert "  no process is there" in out.splitlines()
    assert "  pressure; guard: pressure, hold" in out.splitlines()


def test_the_status_as_json_is_all_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(STATUS, tmp_path, "status", "--json") == 0
    assert from_json(capsys.readouterr().out) == STATUS


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, 0),
        ({"mode": "shadow", "tenants": (replace(REDIS, phase="shadowing"),)}, 0),
        ({"phase": "idle", "reason": "no tenant is there", "tenants": (GONE,)}, 0),
        ({"phase": "paused"}, 3),
        ({"phase": "stood down"}, 3),
        ({"phase": "stopping"}, 3),
        ({"tenants": (REDIS, replace(GONE, phase="failing"))}, 3),
        ({"tenants": (replace(REDIS, phase="fallback"),)}, 0),
    ],
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_exit_status_tells_whether_all_is_well(
    change: Mapping[str, Any], expected: int, options: list[str], tmp_path: Path
) -> None:
    assert _run(replace(STATUS, **change), tmp_path, "status", *options) == expected


def test_a_daemon_that_has_only_just_started_is_shown_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    young = replace(
        STATUS, host=None, tenants=(), last_decision_unix_s=None, decisions=0, is_fallback=True
    )
    assert _run(young, tmp_path, "status") == 0
    assert "a static policy decides" in capsys.readouterr().out


def test_pause_and_resume_print_what_follows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phases = {"pause": ("paused", "until resume"), "resume": ("stood down", "DAMON is in use")}
    asked = []

    def answer(command: str) -> Mapping[str, Any]:
        asked.append(command)
        phase, reason = phases[command]
        return to_dict(replace(STATUS, phase=phase, reason=reason))

    with serving(tmp_path / "socket", answer):
        assert main(["pause", "--socket", str(tmp_path / "socket")]) == 0
        assert capsys.readouterr().out == "paused (until resume)\n"
        assert main(["resume", "--socket", str(tmp_path / "socket")]) == 3
        assert capsys.readouterr().out == "stood down (DAMON is in use)\n"
    assert asked == ["pause", "resume"]


@pytest.mark.parametrize("command", ["status", "top", "pause", "resume"])
def test_without_a_daemon_every_command_says_how_to_start_one(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--socket", str(tmp_path / "socket")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "systemctl start damon-tunerd" in captured.err


def test_a_daemon_of_another_release_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path / "socket", lambda command: {"version": "9"}):
        assert main(["status", "--socket", str(tmp_path / "socket")]) == 1
    assert "restart damon-tunerd" in capsys.readouterr().err


def test_the_daemon_listens_where_the_commands_ask() -> None:
    assert Config().socket == SOCKET
