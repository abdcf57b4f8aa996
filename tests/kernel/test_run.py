"""``damon-tuner run`` on a real process, as an administrator would."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from damon_tuner.kernel_iface.sysfs.inventory import damon_settings


def _run(pid: int, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "damon_tuner", "run", "--pid", str(pid), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_idle_memory_is_paged_out_and_everything_put_back(idler: subprocess.Popen[str]) -> None:
    before = damon_settings()
    options = ("--static", "pageout_5s", "--interval", "1", "--duration", "60", "--json")
    with _run(idler.pid, *options) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if json.loads(line)["swapped_bytes"] > 16 << 20:
                break
        else:
            pytest.fail(f"nothing was paged out: {run.stderr and run.stderr.read()}")
        run.send_signal(signal.SIGTERM)
        _, stderr = run.communicate(timeout=60)
    assert run.returncode == 130
    assert stderr == "damon-tuner: stopped\n"
    assert damon_settings() == before


@pytest.mark.slow
def test_schemes_of_a_killed_run_would_stop_by_themselves(
    idler: subprocess.Popen[str],
) -> None:
    before = damon_settings()
    with _run(idler.pid, "--static", "pageout_30s", "--interval", "1", "--duration", "60") as run:
        assert run.stdout is not None
        for _ in range(3):
            run.stdout.readline()
        stats = Path("/sys/kernel/mm/damon/admin/kdamonds/0/contexts/0/schemes/0/stats")
        limit = stats / "max_nr_snapshots"
        if not limit.exists():
            pytest.skip("leases need Linux 7.0")
        # a minute's walks of an aggregation interval each, or what was seen of them
        assert 1 <= int(limit.read_text()) <= 700
        run.kill()
    restored = subprocess.run(
        [sys.executable, "-m", "damon_tuner", "restore"], capture_output=True, text=True
    )
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert damon_settings() == before


@pytest.mark.slow
def test_the_shipped_policy_takes_decisions(idler: subprocess.Popen[str]) -> None:
    before = damon_settings()
    with _run(idler.pid, "--interval", "1", "--duration", "15", "--json") as run:
        stdout, stderr = run.communicate(timeout=180)
    assert run.returncode == 0, stderr
    decisions = [json.loads(line) for line in stdout.splitlines()]
    assert len(decisions) >= 2
    assert all(decision["knobs"]["min_age_s"] >= 2.0 for decision in decisions)
    assert damon_settings() == before


def test_a_process_that_exits_mid_run_is_one_line(idler: subprocess.Popen[str]) -> None:
    before = damon_settings()
    with _run(idler.pid, "--static", "pageout_30s", "--interval", "1") as run:
        assert run.stdout is not None
        run.stdout.readline()
        idler.kill()
        idler.wait()
        _, stderr = run.communicate(timeout=60)
    assert run.returncode == 1
    assert stderr.startswith("damon-tuner: error: ")
    assert f"process {idler.pid}" in stderr
    assert stderr.count("\n") == 1
    assert damon_settings() == before


def test_a_process_that_does_not_exist_is_one_line() -> None:
    with _run(4_000_000, "--static", "pageout_30s") as run:
        _, stderr = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "4000000" in stderr
    assert stderr.count("\n") == 1


def test_without_permission_it_says_so_in_one_line(idler: subprocess.Popen[str]) -> None:
    command = [sys.executable, "-m", "damon_tuner", "run", "--pid", str(idler.pid)]
    command += ["--static", "pageout_30s", "--swap-in-us", "60"]
    done = subprocess.run(
        command, preexec_fn=lambda: os.setuid(65534), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "run as root" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_what_a_killed_run_leaves_is_restored(idler: subprocess.Popen[str]) -> None:
    before = damon_settings()
    options = ("--static", "pageout_5s", "--interval", "1", "--swap-in-us", "60")
    with _run(idler.pid, *options) as run:
        assert run.stdout is not None
        run.stdout.readline()
        assert _restore().returncode == 1  # alive
        run.kill()
    left = damon_settings()
    assert left != before
    with _run(idler.pid, *options) as refused:
        _, stderr = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert stderr.endswith("run damon-tuner restore\n")
    assert damon_settings() == left
    done = _restore("--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert damon_settings() == before
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["status"] == 0
    assert {line["fate"] for line in lines[:-1]} == {"restored"}
    assert "nothing to put back" in _restore().stdout


def _restore(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "damon_tuner", "restore", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
def test_two_runs_exclude_each_other(idler: subprocess.Popen[str]) -> None:
    with _run(idler.pid, "--static", "pageout_30s", "--interval", "1") as first:
        assert first.stdout is not None
        first.stdout.readline()
        with _run(idler.pid, "--static", "pageout_30s") as second:
            _, stderr = second.communicate(timeout=60)
        assert second.returncode == 1
        assert f"process {first.pid}" in stderr
        time.sleep(0.1)
        assert first.poll() is None
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)
        assert first.returncode == 130
