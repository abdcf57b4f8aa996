"""``damon-tunerd`` on a real kernel: what an administrator would see it do, and undo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from damon_tuner.daemon.client import ask
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings

Spawn = Callable[[], "subprocess.Popen[str]"]
KDAMONDS = Path("/sys/kernel/mm/damon/admin/kdamonds")
NR_KDAMONDS = KDAMONDS / "nr_kdamonds"
CGROUPS = Path("/sys/fs/cgroup")
ACT = 'mode = "act"\ninterval = "1s"\nlog = "json"\n'


@dataclass(frozen=True)
class Daemon:
    """A daemon that is to run in ``folder``, by ``text``."""

    folder: Path
    text: str

    @property
    def socket(self) -> Path:
        return self.folder / "run/socket"

    def start(self) -> subprocess.Popen[str]:
        config = self.folder / "damon-tunerd.toml"
        config.write_text(
            f'socket = "{self.socket}"\nswap_in = "20us"\n'
            f'experience.folder = "{self.folder}/experience"\n' + self.text
        )
        command = [sys.executable, "-m", "damon_tuner.daemon.main", "--config", str(config)]
        command += ["--state-dir", str(self.folder / "state")]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def restore(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "damon_tuner", "restore"]
        command += ["--state-dir", str(self.folder / "state")]
        return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Every test leaves DAMON as it was."""
    before = damon_settings()
    yield
    assert damon_settings() == before


def decisions(process: subprocess.Popen[str]) -> Iterator[dict[str, object]]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            yield json.loads(line)


def stopped(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> str:
    process.send_signal(number)
    out, _ = process.communicate(timeout=120)
    return out


def test_it_acts_on_idle_memory_and_puts_everything_back(
    tmp_path: Path, idler: subprocess.Popen[str]
) -> None:
    daemon = Daemon(
        tmp_path,
        ACT + f'policy = "/none"\nfallback = "pageout_5s"\n[tenants.idle]\npid = {idler.pid}\n',
    )
    with daemon.start() as process:
        for decision in decisions(process):
            if decision["swapped_bytes"] > 16 << 20:
                break
        status = ask(daemon.socket, "status")
        assert status["tenants"][0]["phase"] == "fallback"
        assert status["tenants"][0]["saved_bytes"] > 4 << 20
        out = stopped(process)
    assert process.returncode == 0, out
    assert out.endswith("stopped: everything is as it was\n")


@pytest.mark.slow
def test_the_shipped_policy_decides_for_two_tenants_and_a_newcomer(
    tmp_path: Path, spawn_idler: Spawn
) -> None:
    group = CGROUPS / "web.slice"
    group.mkdir()
    try:
        members = [spawn_idler() for _ in range(2)]
        for member in members:
            (group / "cgroup.procs").write_text(str(member.pid))
        alone = spawn_idler()
        daemon = Daemon(
            tmp_path,
            ACT + f'[tenants.alone]\npid = {alone.pid}\nbudget = "5%"\n'
            '[tenants.web]\ncgroup = "web.slice"\n',
        )
        with daemon.start() as process:
            seen = decisions(process)
            names = {next(seen)["tenant"] for _ in range(6)}
            assert names == {"alone", "web"}
            newcomer = spawn_idler()
            (group / "cgroup.procs").write_text(str(newcomer.pid))
            members[0].kill()
            members[0].wait()
            expected = sorted([members[1].pid, newcomer.pid])
            targets = KDAMONDS / "1/contexts/0/targets"
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                next(seen)
                web = ask(daemon.socket, "status")["tenants"][1]
                pids = sorted(int(p.read_text()) for p in targets.glob("*/pid_target"))
                if sorted(web["pids"]) == pids == expected:
                    break
            assert sorted(web["pids"]) == pids == expected, web
            stopped(process)
        assert process.returncode == 0
    finally:
        for process in members[1:]:
            process.kill()
            process.wait()
        newcomer.kill()
        newcomer.wait()
        group.rmdir()


def test_in_shadow_no_scheme_is_ever_set(tmp_path: Path, idler: subprocess.Popen[str]) -> None:
    text = f'interval = "1s"\nlog = "json"\n[tenants.idle]\npid = {idler.pid}\n'
    daemon = Daemon(tmp_path, text)
    with daemon.start() as process:
        for number, decision in enumerate(decisions(process)):
            assert not decision["carried_out"]
            actions = [p.read_text() for p in KDAMONDS.glob("0/contexts/0/schemes/*/action")]
            assert set(actions) <= {"stat\n"}
            if number == 8:
                break
        assert decision["nr_regions"] > 0
        stopped(process)
    assert Path(f"/proc/{idler.pid}/status").read_text().split("VmSwap:")[1].split()[0] == "0"


def test_a_foreign_kdamond_is_refused_named_and_left_alone(
    tmp_path: Path, idler: subprocess.Popen[str]
) -> None:
    NR_KDAMONDS.write_text("1")
    try:
        before = damon_settings()
        daemon = Daemon(tmp_path, ACT + f"[tenants.idle]\npid = {idler.pid}\n")
        with daemon.start() as process:
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "DAMON is in use by kdamond 0" in out
        assert damon_settings() == before
    finally:
        NR_KDAMONDS.write_text("0")


def test_an_administrators_change_makes_it_stand_down_and_resume_goes_on(
    tmp_path: Path, idler: subprocess.Popen[str]
) -> None:
    daemon = Daemon(tmp_path, ACT + f"[tenants.idle]\npid = {idler.pid}\n")
    with daemon.start() as process:
        seen = decisions(process)
        for _ in range(3):
            next(seen)
        (KDAMONDS / "0/contexts/0/schemes/0/quotas/bytes").write_text("4097")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = ask(daemon.socket, "status")
            if status["phase"] == "stood down":
                break
            time.sleep(0.2)
        assert "quotas/bytes=4097" in status["reason"]
        ask(daemon.socket, "resume")
        next(seen)
        assert ask(daemon.socket, "status")["phase"] == "managing"
        stopped(process)
    assert process.returncode == 0


@pytest.mark.slow
def test_after_a_kill_restore_puts_everything_back(
    tmp_path: Path, idler: subprocess.Popen[str]
) -> None:
    before = damon_settings()
    daemon = Daemon(tmp_path, ACT + f"[tenants.idle]\npid = {idler.pid}\n")
    with daemon.start() as process:
        for _, _ in zip(range(4), decisions(process), strict=False):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert damon_settings() != before
    with daemon.start() as again:
        out, _ = again.communicate(timeout=60)
    assert "damon-tuner restore" in out
    done = daemon.restore()
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "state/journal").exists()
