"""The doctor on the real kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from damon_tuner.cli import main
from damon_tuner.kernel_iface.host import Action, Context, Scheme
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings

SWAP_BYTES = int(os.environ.get("DAMON_TUNER_GUEST_SWAP_BYTES", "0"))
SLOW_BYTES = int(os.environ.get("DAMON_TUNER_GUEST_SLOW_BYTES", "0"))
MOVABLE_BYTES = int(os.environ.get("DAMON_TUNER_GUEST_MOVABLE_BYTES", "0"))


@pytest.fixture(autouse=True)
def damon_is_as_before() -> Iterator[None]:
    before = damon_settings()
    yield
    assert damon_settings() == before


def diagnosis(
    capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, dict[str, dict[str, object]]]:
    status = main(["doctor", "--json", *options])
    told = json.loads(capsys.readouterr().out)
    assert told["ready"] == (status == 0)
    return status, {finding["name"]: finding for finding in told["findings"]}


def is_there(finding: dict[str, object]) -> bool:
    assert finding["status"] in ("ok", "missing"), finding
    return finding["status"] == "ok"


def test_what_the_guest_has(capsys: pytest.CaptureFixture[str]) -> None:
    status, found = diagnosis(capsys)
    assert status == (0 if SWAP_BYTES else 1)
    assert is_there(found["swap"]) == bool(SWAP_BYTES)
    assert is_there(found["compression"]) == Path("/sys/block/zram0").exists()
    assert is_there(found["tiers"]) == bool(SLOW_BYTES)
    assert is_there(found["blocks"]) == bool(MOVABLE_BYTES)
    for name in ("user", "sysfs", "tracing", "interface", "users", "features", "leftovers"):
        assert is_there(found[name]), name
    for name in ("pressure", "cgroup v2", "transparent"):
        assert is_there(found[name]), name
    assert not is_there(found["clocks"])
    assert not is_there(found["energy"])


def test_features_by_release_are_those_by_files(capsys: pytest.CaptureFixture[str]) -> None:
    by_release = diagnosis(capsys)[1]["features"]["facts"]
    by_files = diagnosis(capsys, "--probe")[1]["features"]["facts"]
    assert by_release["by_release"]
    assert not by_files["by_release"]
    assert by_release["have"] == by_files["have"]
    assert by_release["lack"] == by_files["lack"]


@pytest.mark.parametrize("options", [[], ["--probe"]])
def test_a_damon_in_use_is_said_and_left_alone(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with SysfsHost(Context(pid=os.getpid())) as host:
        host.start([Scheme(Action.STAT)])
        running = damon_settings()
        status, found = diagnosis(capsys, *options)
        assert damon_settings() == running
        host.snapshot()
    assert status == 1
    assert "kdamond 0 (on" in str(found["users"]["says"])
    assert not is_there(found["users"])
    assert not is_there(found["leftovers"])


def test_an_unprivileged_user_gets_a_report() -> None:
    command = [sys.executable, "-m", "damon_tuner", "doctor"]
    done = subprocess.run(command, user=65534, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 1
    assert "missing !    user         user 65534" in done.stdout
    assert "run as root" in done.stdout
    assert "cannot tell !" in done.stdout
