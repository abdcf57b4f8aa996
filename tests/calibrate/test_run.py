"""A whole calibration, on the machine that the tests run on."""

import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from damon_tuner import _core
from damon_tuner.cli import main
from damon_tuner.envs.profile_file import load_profile
from damon_tuner.envs.workload_file import bundled_workload

SETTINGS = (
    "/sys/kernel/mm/transparent_hugepage",
    "/sys/kernel/mm/numa",
    "/sys/kernel/mm/swap",
    "/sys/kernel/mm/ksm",
    "/sys/module/zswap/parameters",
    "/proc/sys/vm",
)


def _settings() -> dict[str, str]:
    """Everything of the host that calibration comes near and could have changed."""
    found = {"/proc/swaps": Path("/proc/swaps").read_text()}
    for top in SETTINGS:
        for path in sorted(Path(top).rglob("*")):
            # counters are not settings, and move by themselves
            if path.is_file() and not any(part in str(path) for part in ("stat", "full_scans")):
                try:
                    found[str(path)] = path.read_text()
                except OSError:
                    continue
    found["affinity"] = str(sorted(os.sched_getaffinity(0)))
    return {name: text for name, text in found.items() if not name.endswith("pages_collapsed")}


def test_a_quick_calibration_gives_a_profile_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "host.toml"
    before = _settings()
    started = time.monotonic()
    assert main(["calibrate", "--quick", "--max-mib", "16", "--out", str(out)]) == 0
    elapsed_s = time.monotonic() - started
    assert _settings() == before
    assert elapsed_s < 10.0
    assert [path.name for path in out.parent.iterdir()] == ["host.toml"]
    printed = capsys.readouterr().out
    assert "Huge pages, random reads" in printed or "could not be measured" in printed
    profile = load_profile(out)
    assert list(profile.constants) == [name for name, *_ in _core.PROFILE]
    assert profile.constants["swap_ratio"].origin == "read"
    assert profile.constants["fault_us"].origin == "measured"
    for name, constant in profile.constants.items():
        assert constant.source, name
    kept = tomllib.loads(out.read_text())
    assert kept["host"]["kernel"] == os.uname().release
    batch = _core.Batch(1)
    batch.reset(0, bundled_workload("kv").on(profile).spec(), 1, 0.02)
    batch.step(None, 5_000_000)


def test_every_value_is_a_line_of_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    argv = ["calibrate", "--quick", "--max-mib", "8", "--json", "--out", str(tmp_path / "h.toml")]
    assert main(argv) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["origin"] for row in rows} == {"measured", "read", "missing"}
    for row in rows:
        assert row["how"]
        if row["origin"] == "missing":
            assert row["value"] is None
        else:
            assert row["min"] <= row["value"] <= row["max"]


@pytest.mark.parametrize("name", ["", "file/host.toml", "x" * 250])
def test_a_profile_that_cannot_be_written_is_refused_before_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "file").write_text("")
    started = time.monotonic()
    assert main(["calibrate", "--out", str(tmp_path / name)]) == 1
    assert time.monotonic() - started < 2.0
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "give another --out" in message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_calibration_leaves_the_old_profile(tmp_path: Path, number: int) -> None:
    out = tmp_path / "host.toml"
    out.write_text("# mine\n")
    command = [sys.executable, "-m", "damon_tuner", "calibrate", "--max-mib", "256"]
    with subprocess.Popen(
        [*command, "--out", str(out)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60.0
        status = Path(f"/proc/{process.pid}/smaps_rollup")
        # half of its memory is there: it measures
        while _kb(status, "Rss:") < 128 << 10:
            assert process.poll() is None
            assert time.monotonic() < deadline
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60.0)
    assert process.returncode == 130
    assert stderr == "damon-tuner: stopped\n"
    assert stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["host.toml"]
    assert out.read_text() == "# mine\n"


def _kb(path: Path, name: str) -> int:
    try:
        rows = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return 0
    return next((int(row[1]) for row in rows if row[0] == name), 0)


def test_figures_say_what_huge_pages_give(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    from damon_tuner.benchmarks import calibrate as benchmark

    real = benchmark.limits
    monkeypatch.setattr(benchmark, "limits", lambda files: real(16, quick=True, files=files))
    assert main(["figures", "calibrate"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["figure"] == "calibrate.huge_page_gain"
    assert first["value"] is None or 0.05 < first["value"] < 20
