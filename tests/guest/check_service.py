"""Runs in the guest, under systemd: what an administrator does with damon-tunerd, step by step.

Each step builds on those before it. What comes of them goes to the port that is the argument, an
object a line; this file is also read by the test that boots the guest, for the steps' names.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

UNIT = Path("/etc/systemd/system/damon-tunerd.service")
CONFIG = Path("/etc/damon-tuner/damon-tunerd.toml")
STATE = Path("/var/lib/damon-tuner")
METRICS = Path("/var/lib/prometheus/node-exporter/damon-tuner.prom")
KDAMONDS = Path("/sys/kernel/mm/damon/admin/kdamonds")
SCORE = Path("/usr/local/bin/score")

IDLE_BYTES = 64 << 20
RESTART_S = 10
WATCHDOG_S = 30
# an emulated CPU is slow, and this machine may be busy
PATIENCE_S = 240.0

_TENANT_UNIT = """\
[Service]
User=nobody
ExecStart={python} -c "import mmap, os, signal; m = mmap.mmap(-1, {size}, flags=34); \
m.madvise(mmap.MADV_NOHUGEPAGE); m.write(os.urandom(4096) * ({size} // 4096)); signal.pause()"
"""
# whose pid file nobody else but root may see
_FILED_UNIT = """\
[Service]
User=nobody
RuntimeDirectory=filed
RuntimeDirectoryMode=0700
ExecStart=/bin/sh -c "echo $$$$ >/run/filed/pid; exec sleep infinity"
"""
_CONFIG = f"""\
mode = "shadow"
interval = "2s"
metrics = "{METRICS}"

[tenants.idle]
unit = "tenant.service"
[tenants.idle.score]
command = ["{SCORE}"]
floor = 1.0

[tenants.web]
unit = "web@*.service"

[tenants.filed]
pid_file = "/run/filed/pid"

[tenants.journal]
unit = "systemd-journald.service"
"""
_DENIALS = re.compile(
    r"not permitted|permission denied|read-only file system|sigsys|status=31/|bad system call|"
    r"traceback|warning: |cannot",
    re.IGNORECASE,
)

Figures = dict[str, Any]


def run(*command: str) -> str:
    """Run a command as an administrator would, and show what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {said}"
    return said


def until(what: str, holds: Callable[[], object], patience_s: float = PATIENCE_S) -> float:
    """Wait until something holds; returns the seconds it took."""
    started = time.monotonic()
    while not holds():
        waited_s = time.monotonic() - started
        assert waited_s < patience_s, f"not in {waited_s:.0f} s: {what}; {run_status()}"
        time.sleep(0.5)
    return time.monotonic() - started


def run_status() -> str:
    command = ("systemctl", "status", "--no-pager", "--full", "damon-tunerd")
    return subprocess.run(command, capture_output=True, text=True).stdout


def shown(*names: str) -> list[str]:
    """Return properties of the unit, as systemctl show has them."""
    command = [part for name in names for part in ("-p", name)]
    lines = run("systemctl", "show", "damon-tunerd", *command).splitlines()
    values = dict(line.split("=", 1) for line in lines)
    return [values[name] for name in names]


def is_active() -> bool:
    return shown("ActiveState", "SubState") == ["active", "running"]


def status() -> dict[str, Any]:
    """Ask the daemon until it answers: a pass of the kernel can keep it for longer than asked."""
    answers: list[dict[str, Any]] = []

    def answered() -> bool:
        command = ("damon-tuner", "status", "--json")
        done = subprocess.run(command, capture_output=True, text=True)
        if not done.returncode:
            answers.append(json.loads(done.stdout))
        return bool(answers)

    until("an answer to damon-tuner status", answered)
    return answers[0]


def tenants() -> dict[str, dict[str, Any]]:
    return {tenant["name"]: tenant for tenant in status()["tenants"]}


def actions() -> set[str]:
    """What the schemes do, of those that can be read now: a kernel at work refuses."""
    found = set()
    for path in KDAMONDS.glob("*/contexts/0/schemes/*/action"):
        with contextlib.suppress(OSError):
            found.add(path.read_text().strip())
    return found


def settings() -> Mapping[str, str]:
    from damon_tuner.kernel_iface.sysfs.inventory import damon_settings

    while True:
        with contextlib.suppress(OSError):
            return damon_settings()


def differences() -> list[str]:
    now = settings()
    paths = sorted({*now, *BEFORE})
    return [
        f"{path}: {BEFORE.get(path)!r} -> {now.get(path)!r}"
        for path in paths
        if now.get(path) != BEFORE.get(path)
    ]


def journal(*options: str) -> str:
    return run("journalctl", "-b", "--no-pager", "-o", "cat", *options)


def configure(drop_in: str, text: str) -> None:
    folder = CONFIG.with_name(f"{CONFIG.name}.d")
    folder.mkdir(exist_ok=True)
    (folder / drop_in).write_text(text)


BEFORE: dict[str, str] = {}


def it_is_installed(figures: Figures) -> None:
    UNIT.write_text(run("damon-tunerd", "--print", "unit"))
    METRICS.parent.mkdir(parents=True)
    CONFIG.parent.mkdir()
    CONFIG.write_text(_CONFIG)
    SCORE.write_text("#!/bin/sh\necho 5 | cat\n")
    SCORE.chmod(0o755)
    for name, size in (("tenant", IDLE_BYTES), ("web@", IDLE_BYTES // 8)):
        unit = _TENANT_UNIT.format(python=sys.executable, size=size)
        UNIT.with_name(f"{name}.service").write_text(unit)
    UNIT.with_name("filed.service").write_text(_FILED_UNIT)
    run("damon-tunerd", "--check")
    assert run("systemd-analyze", "verify", "--man=no", str(UNIT)) == ""
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "tenant", "web@1", "web@2", "filed")
    swap = "/dev/nvme0n1p2"
    run("mkswap", swap)
    run("swapon", swap)
    BEFORE.update(settings())


def it_starts_and_says_that_it_is_ready(figures: Figures) -> None:
    started = time.monotonic()
    run("systemctl", "enable", "--now", "damon-tunerd")
    figures["start_s"] = time.monotonic() - started
    assert is_active()
    until("a line of status", lambda: "shadow" in shown("StatusText")[0])
    figures["status_text"] = shown("StatusText")[0]
    assert figures["status_text"] in run_status()


def it_watches_units_and_patterns_of_units(figures: Figures) -> None:
    until("three decisions a tenant", lambda: tenants()["idle"]["decisions"] >= 3)
    seen = tenants()
    # what matches a pattern is named by it and by its own name, or by its cgroup
    phases = {re.split("[:/]", name)[-1]: tenant["phase"] for name, tenant in seen.items()}
    watched = ("idle", "web@1.service", "web@2.service", "filed")
    assert phases == {**dict.fromkeys(watched, "shadowing"), "journal": "protected"}, phases
    assert seen["idle"]["nr_regions"] > 0
    assert actions() <= {"stat"}
    assert "idle" in run("damon-tuner", "status")


def it_keeps_metrics_and_experience(figures: Figures) -> None:
    until("the metrics", METRICS.exists)
    assert "damon_tuner_up 1" in METRICS.read_text()
    assert METRICS.stat().st_mode & 0o777 == 0o644
    until("experience", lambda: list((STATE / "experience").glob("*")))
    assert STATE.stat().st_mode & 0o777 == 0o700


def a_reload_makes_it_act(figures: Figures) -> None:
    configure("act.toml", 'mode = "act"\n')
    run("systemctl", "reload", "damon-tunerd")
    until("a scheme that pages out", lambda: "pageout" in actions())
    until("the reload is over", is_active)
    assert status()["mode"] == "act"
    assert status()["reloads"] == 1


def idle_memory_is_paged_out(figures: Figures) -> None:
    configure("policy.toml", 'policy = "/none"\nfallback = "pageout_5s"\n')
    run("systemctl", "restart", "damon-tunerd")
    until("DAMON is taken again", differences)
    figures["paged_out_s"] = until(
        "half of the idle memory paged out",
        lambda: tenants()["idle"]["swapped_bytes"] > IDLE_BYTES // 2,
    )
    assert tenants()["idle"]["phase"] == "fallback"


def it_costs_little(figures: Figures) -> None:
    group, processor_ns = shown("ControlGroup", "CPUUsageNSec")
    peak_bytes = int(Path(f"/sys/fs/cgroup{group}/memory.peak").read_text())
    figures["memory_peak_mib"] = peak_bytes / 2**20
    figures["cpu_s"] = int(processor_ns) / 1e9
    # half of what the unit allows
    assert peak_bytes < 32 << 20


def it_is_locked_in(figures: Figures) -> None:
    told = run("systemd-analyze", "security", "--no-pager", "damon-tunerd").splitlines()
    figures["security"] = [" ".join(line.split()) for line in told if line.startswith("✗")]
    found = re.search(r"exposure level for damon-tunerd.service: ([\d.]+)", "\n".join(told))
    assert found
    figures["exposure"] = float(found[1])
    # "OK" begins below 4
    assert float(found[1]) < 3.0


def after_a_kill_all_is_put_back_and_it_comes_again(figures: Figures) -> None:
    shorter = UNIT.with_name(f"{UNIT.name}.d")
    shorter.mkdir()
    text = f"[Service]\nRestartSec={RESTART_S}\nWatchdogSec={WATCHDOG_S}\n"
    (shorter / "shorter.conf").write_text(text)
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "damon-tunerd")
    until("schemes again", lambda: "pageout" in actions())
    _end_and_see_it_again("kill", "SIGKILL", figures)


def a_daemon_that_hangs_is_ended_and_comes_again(figures: Figures) -> None:
    until("schemes again", lambda: "pageout" in actions())
    _end_and_see_it_again("watchdog", "SIGSTOP", figures)
    assert "Watchdog timeout" in journal("-u", "damon-tunerd")


def _end_and_see_it_again(how: str, number: str, figures: Figures) -> None:
    restarts, pid = (int(value) for value in shown("NRestarts", "MainPID"))
    started = time.monotonic()
    run("systemctl", "kill", "--kill-whom=main", "-s", number, "damon-tunerd")
    until("the restart is waited for", lambda: shown("SubState")[0] == "auto-restart")
    # before it begins again
    left = differences()
    assert shown("SubState")[0] == "auto-restart"
    figures[f"{how}_put_back_s"] = time.monotonic() - started
    assert not left, left
    until("it is there again", is_active)
    figures[f"{how}_again_s"] = time.monotonic() - started
    assert int(shown("NRestarts")[0]) == restarts + 1
    assert int(shown("MainPID")[0]) != pid


def a_stop_puts_everything_back(figures: Figures) -> None:
    until("schemes again", lambda: "pageout" in actions())
    started = time.monotonic()
    run("systemctl", "stop", "damon-tunerd")
    figures["stop_s"] = time.monotonic() - started
    assert shown("ActiveState", "Result") == ["inactive", "success"]
    assert not differences(), differences()
    assert "damon_tuner_up 0" in METRICS.read_text()
    assert "stopped: everything is as it was" in journal("-u", "damon-tunerd")


def nothing_was_denied(figures: Figures) -> None:
    lines = [line for line in journal("-u", "damon-tunerd").splitlines() if _DENIALS.search(line)]
    # said on purpose: the policy that is not there
    lines = [line for line in lines if "/none" not in line]
    lines += [line for line in journal("-k").splitlines() if "type=1326" in line]
    figures["denials"] = lines
    assert not lines, lines


STEPS: tuple[Callable[[Figures], None], ...] = (
    it_is_installed,
    it_starts_and_says_that_it_is_ready,
    it_watches_units_and_patterns_of_units,
    it_keeps_metrics_and_experience,
    a_reload_makes_it_act,
    idle_memory_is_paged_out,
    it_costs_little,
    it_is_locked_in,
    after_a_kill_all_is_put_back_and_it_comes_again,
    a_daemon_that_hangs_is_ended_and_comes_again,
    a_stop_puts_everything_back,
    nothing_was_denied,
)


def main(port: str) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with open(port, "w", encoding="utf-8") as out:

        def tell(**line: object) -> None:
            print(json.dumps(line), file=out, flush=True)
            termios.tcdrain(out.fileno())

        tell(kernel=os.uname().release, systemd=run("systemctl", "--version").split()[1])
        for step in STEPS:
            figures: Figures = {}
            started, trouble = time.monotonic(), ""
            try:
                step(figures)
            except Exception:
                trouble = traceback.format_exc(limit=-2)
            took_s = time.monotonic() - started
            tell(step=step.__name__, trouble=trouble, took_s=took_s, figures=figures)
        tell(journal=journal("-u", "damon-tunerd"), kernel_log=journal("-k", "-p", "warning"))


if __name__ == "__main__":
    main(sys.argv[1])
