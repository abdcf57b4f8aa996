"""The report says what was saved at what slowdown, from what the daemon has kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from damon_tuner.cli import main
from damon_tuner.daemon.report import report
from damon_tuner.errors import TunerError

from .fake_host import Daemon, FakeHost

TENANT = "[tenants.web]\npid = 4242\n"


def test_a_shadow_report_says_what_acting_would_likely_have_saved(tmp_path: Path, capsys):
    daemon = Daemon(tmp_path, FakeHost(), TENANT)
    daemon.run(300.0)
    assert main(["report", str(tmp_path / "experience")]) == 0
    text = capsys.readouterr().out
    assert text.startswith("web (shadow, 5 min in 6")
    assert "acting would likely have saved" in text
    assert "budget 2.00%" in text
    found = report(tmp_path / "experience").summaries[0]
    assert 0.0 < found.saved_share < 0.9
    assert found.slowdown < 0.02


def test_modes_and_tenants_are_told_apart(tmp_path: Path, capsys):
    host = FakeHost()
    host.spawn(5000)
    daemon = Daemon(tmp_path, host, TENANT + "[tenants.db]\npid = 5000\n")
    daemon.run(30.0)
    daemon.configure('mode = "act"\n' + TENANT)
    daemon.run(30.0)
    assert main(["report", "--json", str(tmp_path / "experience")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(s["tenant"], s["mode"]) for s in told["summaries"]] == [
        ("db", "shadow"),
        ("web", "act"),
        ("web", "shadow"),
    ]


def test_damaged_lines_are_counted_and_left_out(tmp_path: Path):
    Daemon(tmp_path, FakeHost(), TENANT).run(30.0)
    (segment,) = (tmp_path / "experience").glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b"nonsense\n")
    found = report(tmp_path / "experience")
    assert found.nr_damaged == 1
    assert "1 damaged lines" in found.text()


def test_where_nothing_is_kept_that_is_one_line(tmp_path: Path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    Daemon(tmp_path, FakeHost(), TENANT).run(10.0)
    with pytest.raises(TunerError, match="let damon-tunerd run longer"):
        report(tmp_path / "experience", since_unix_s=1e12)
