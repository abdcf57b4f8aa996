"""The command ``damon-tunerd``, as far as it goes without a kernel."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from damon_tuner.daemon.config import load_config
from damon_tuner.daemon.main import main


def test_a_good_configuration_is_said_to_be(tmp_path: Path, capsys):
    path = tmp_path / "c.toml"
    path.write_text('[tenants.web]\nunit = "web.service"\n')
    assert main(["--check", "--config", str(path)]) == 0
    assert "shadow mode, 1 tenants" in capsys.readouterr().out


def test_every_mistake_is_a_line_and_the_status_is_its_own(tmp_path: Path, capsys):
    path = tmp_path / "c.toml"
    path.write_text('buget = "2%"\ninterval = 5\n')
    assert main(["--check", "--config", str(path)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "did you mean 'budget'" in "".join(lines)


def test_without_a_configuration_it_says_how_to_write_one(tmp_path: Path, capsys):
    assert main(["--config", str(tmp_path / "none.toml")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("damon-tunerd: error: ")
    assert "--print config" in err
    assert "Traceback" not in err


def test_the_example_is_a_configuration(tmp_path: Path, capsys):
    assert main(["--print", "config"]) == 0
    path = tmp_path / "c.toml"
    path.write_text(capsys.readouterr().out)
    assert load_config(path).mode == "shadow"


def test_the_unit_runs_this_very_installation(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/opt/tuner/bin/damon-tunerd"])
    assert main(["--print", "unit"]) == 0
    unit = capsys.readouterr().out
    assert "ExecStart=/opt/tuner/bin/damon-tunerd\n" in unit
    assert "ExecStopPost=/opt/tuner/bin/damon-tuner restore\n" in unit
    assert "@BIN@" not in unit


def test_systemd_has_nothing_to_say_against_the_unit(tmp_path: Path, capsys, monkeypatch):
    try:
        subprocess.run(["systemd-analyze", "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("systemd-analyze is not installed")
    for name in ("damon-tunerd", "damon-tuner"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "damon-tunerd")])
    main(["--print", "unit"])
    unit = tmp_path / "damon-tunerd.service"
    unit.write_text(capsys.readouterr().out)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True
    )
    said = [line for line in verified.stderr.splitlines() if "damon-tunerd" in line]
    assert said == []


def test_the_dashboard_and_the_man_pages_are_printed(capsys):
    main(["--print", "dashboard"])
    assert json.loads(capsys.readouterr().out)["panels"]
    for what in ("man", "man-config"):
        main(["--print", what])
        assert ".TH" in capsys.readouterr().out


HEAVY = ("numpy", "torch", "gymnasium", "asyncio", "_hashlib", "ast", "subprocess", "decimal")


def test_the_daemon_is_light():
    code = (
        "from damon_tuner.daemon.light import keep_light; keep_light()\n"
        "import sys, damon_tuner.daemon.main, damon_tuner.daemon.service\n"
        f"print(*[name for name in {HEAVY} if sys.modules.get(name)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_what_was_put_off_is_there_when_it_is_used():
    code = (
        "from damon_tuner.daemon.light import keep_light; keep_light()\n"
        "import dataclasses, hashlib, inspect\n"
        "@dataclasses.dataclass\nclass A:\n    x: int\n"
        "print(A.__doc__, hashlib.sha256(b'').hexdigest()[:8], inspect.isclass(A))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "A(x: int) e3b0c442 True\n"
