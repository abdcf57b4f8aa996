"""The load does what its pattern says, at the rates that it says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from damon_tuner.benchmarks.fidelity.golden import PATTERNS
from damon_tuner.benchmarks.fidelity.record import compile_load

PATTERN_FOLDER = Path(__file__).parents[3] / "benchmarks/fidelity/patterns"
MIB = 1 << 20

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler here")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_load(tmp_path_factory.mktemp("load") / "load")


def _play(program: Path, folder: Path, text: str, reports: int) -> list[list[int]]:
    """Run until there are so many lines in the report."""
    pattern, report = folder / "pattern.txt", folder / "rates"
    pattern.write_text(text)
    with subprocess.Popen([program, pattern, report], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"ready ")
        os.kill(process.pid, signal.SIGUSR1)
        deadline_s = time.monotonic() + 60
        rows: list[list[int]] = []
        while len(rows) < reports and time.monotonic() < deadline_s:
            lines = report.read_text().splitlines() if report.exists() else []
            rows = [[int(word) for word in line.split()] for line in lines]
        process.kill()
    return rows


def test_measured_rates_are_those_asked_for(program: Path, tmp_path: Path) -> None:
    text = "map 8M\nreport 100\nphase 10\n0 4M random 50 # hot\n4M 4M random 5\n"
    rows = _play(program, tmp_path, text, 6)
    by_range = {(start, end): 0 for _, _, start, end, _ in rows}
    assert set(by_range) == {(0, 4 * MIB), (4 * MIB, 8 * MIB)}
    for from_ns, until_ns, start, _, accesses in rows:
        asked = 1024 * (50 if start == 0 else 5) * (until_ns - from_ns) * 1e-9
        assert accesses == pytest.approx(asked, rel=0.1, abs=30)


def test_a_scan_reports_what_it_swept(program: Path, tmp_path: Path) -> None:
    rows = _play(program, tmp_path, "map 4M\nreport 50\nphase 10\n0 4M scan 4\n", 8)
    assert rows[0][2] == 0
    for before, after in pairwise(rows):
        assert after[2] in (before[3], 0)
        assert (after[3] - after[2]) // 4096 == after[4]


def test_phases_follow_each_other_and_begin_again(program: Path, tmp_path: Path) -> None:
    text = "map 2M\nphase 0.1\n0 1M random 10\nphase 0.1\n1M 1M random 10\n"
    rows = _play(program, tmp_path, text, 3)
    assert [row[2] for row in rows[:3]] == [0, MIB, 0]
    assert rows[1][0] - rows[0][0] == pytest.approx(100_000_000, abs=50_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "map 4M\n",
        "map 4M\nphase 1\n0 5M random 1\n",
        "map 4M\nphase 1\n0 1M wildly 1\n",
        "map 4M\n0 1M random 1\n",
        "map 4000\nphase 1\n",
        "map 4M\nphase 0\n",
    ],
)
def test_a_wrong_pattern_is_refused(program: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.txt").write_text(text)
    command = [program, tmp_path / "wrong.txt", tmp_path / "rates"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 2


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_is_read(program: Path, tmp_path: Path, pattern: str) -> None:
    command = [program, PATTERN_FOLDER / f"{pattern}.txt", tmp_path / "rates"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"ready ")
        process.kill()
