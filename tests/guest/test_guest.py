"""Boots the guest from this machine; each test is one boot, some seconds each."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest import GuestSpec, run_in_guest
from damon_tuner.kernel_iface.guest.disk import make_disk
from damon_tuner.kernel_iface.guest.matrix import run_suite

pytestmark = [pytest.mark.guest, pytest.mark.usefixtures("emulator")]

IDLE_LIMIT_S = 90


def test_an_idle_guest_is_there_and_back_soon(tmp_path: Path) -> None:
    result = run_in_guest(["true"], out_dir=tmp_path, timeout_s=300)
    assert result.exit_status == 0
    assert result.kernel_version.startswith("7.3.")
    assert 0 < result.boot_s < result.total_s < IDLE_LIMIT_S


@pytest.mark.slow
@pytest.mark.parametrize("series", ["6.12", "7.3"])
def test_the_kernel_suite_passes_in_the_guest(tmp_path: Path, series: str) -> None:
    lines: list[str] = []
    # all of them, on all kernels, take "make test-kernels"
    quick = ("-m", "kernel and not slow")
    result = run_suite(series, tmp_path, lines.append, quick)
    if result.failed:
        # emulated CPUs are late when this machine is busy: what fails twice has failed
        names = {name.partition("[")[0] for name in result.failed}
        again = (*quick, "-k", " or ".join(sorted(names)))
        result = run_suite(series, tmp_path, lines.append, again)
    said = "\n".join(lines)
    print(said)
    assert result.ok, said
    # what an older kernel lacks is a reason to skip, and 7.3 lacks nothing
    assert series != "7.3" or not result.skipped, result.row()


def test_on_the_counted_clock_no_timer_is_late(tmp_path: Path) -> None:
    # printed when all is over: whoever passes on what is printed needs the CPU too
    script = (
        "import time\nslept = []\nfor _ in range(600):\n"
        " t = time.monotonic_ns(); time.sleep(0.005); slept.append(time.monotonic_ns() - t)\n"
        "print(*slept, sep=chr(10))"
    )
    lines: list[str] = []
    spec = GuestSpec(cpus=1, counted_clock=True)
    run_in_guest(
        ["python", "-c", script], spec, out_dir=tmp_path, timeout_s=300, echo=lines.append
    )
    assert len(lines) == 600
    # the first seconds after boot have other work to do
    slept_ns = sorted(int(line) for line in lines[-200:])
    assert 5_000_000 <= slept_ns[0]
    assert slept_ns[100] < 5_100_000


def test_status_files_and_output_come_back_as_they_were(tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(os.urandom(5_000_001))
    lines: list[str] = []
    script = (
        'mkdir $DAMON_TUNER_OUT/sub; cp given/file "$DAMON_TUNER_OUT/sub/a file";'
        'echo "$GREETING"; echo to stderr >/dev/stderr; printf "no newline"; exit 77'
    )
    result = run_in_guest(
        ["sh", "-c", script],
        out_dir=tmp_path / "out",
        timeout_s=120,
        extra_files={"given/file": sent},
        env={"GREETING": "it's ünicode"},
        echo=lines.append,
    )
    assert result.exit_status == 77
    assert (tmp_path / "out/sub/a file").read_bytes() == sent.read_bytes()
    assert lines == ["it's ünicode", "to stderr", "no newline"]


def test_a_command_without_an_end_is_stopped(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(GuestError, match=r"stopped at the timeout.*guest-console\.log"):
        run_in_guest(["sleep", "3600"], out_dir=tmp_path, timeout_s=12)
    assert time.monotonic() - started < 60
    assert not _emulators_of(tmp_path)


@pytest.mark.parametrize("afterwards", ["panic=-1", "panic=0"], ids=["reboots", "hangs"])
def test_a_panic_is_reported_with_the_console(tmp_path: Path, afterwards: str) -> None:
    command = ["sh", "-c", "echo c >/proc/sysrq-trigger"]
    spec = GuestSpec(kernel_args=(afterwards,))
    with pytest.raises(GuestError, match="died while the command ran") as caught:
        run_in_guest(command, spec, out_dir=tmp_path, timeout_s=120)
    message, log = str(caught.value), tmp_path / "guest-console.log"
    assert str(log) in message
    assert "Kernel panic" in log.read_text()


def test_a_disk_outlives_a_power_cut(tmp_path: Path) -> None:
    disk, lines = tmp_path / "disk", list[str]()
    make_disk(disk, 64 << 20)
    mount = "mount -t ext4 /dev/disk /mnt"
    cut = f"{mount}; echo kept >/mnt/file; sync; echo b >/proc/sysrq-trigger; sleep 9"
    with pytest.raises(GuestError, match="died while the command ran"):
        run_in_guest(["sh", "-c", cut], out_dir=tmp_path, timeout_s=120, disk=disk)
    run_in_guest(
        ["sh", "-c", f"{mount}; cat /mnt/file"],
        GuestSpec(swap_bytes=1 << 28),
        out_dir=tmp_path,
        timeout_s=120,
        echo=lines.append,
        disk=disk,
    )
    assert lines == ["kept"]


def test_what_init_cannot_do_is_reported(tmp_path: Path) -> None:
    no_such_memory = GuestSpec(swap_bytes=1 << 52)
    with pytest.raises(GuestError, match="could not be set up: cannot swap to /dev/zram"):
        run_in_guest(["true"], no_such_memory, out_dir=tmp_path, timeout_s=120)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_emulator_goes_with_its_runner(tmp_path: Path, number: signal.Signals) -> None:
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    runner = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "damon_tuner.kernel_iface.guest",
            "--out",
            out,
            "--",
            "sleep",
            "99",
        ],
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until(lambda: bool(_emulators_of(out)), 60)
        runner.send_signal(number)
        status = runner.wait(30)
    finally:
        runner.kill()
        runner.wait()
    _wait_until(lambda: not _emulators_of(out), 10)
    if number != signal.SIGKILL:  # nobody cleans up after that one
        assert status == 128 + number
        assert not list(scratch.iterdir())


def _emulators_of(out_dir: Path) -> list[str]:
    """Return the process ids of emulators whose console goes to ``out_dir``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if b"qemu-system" in command and str(out_dir).encode() in command:
            found.append(process.name)
    return found


def _wait_until(true: Callable[[], bool], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"not within {limit_s} s"
        time.sleep(0.05)
