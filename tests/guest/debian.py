"""A small Debian with systemd and this project installed, on a disk that the emulator boots."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest import ensure_emulator
from damon_tuner.kernel_iface.guest.apt import find_mirror, run_tool
from damon_tuner.kernel_iface.guest.cache import cache_dir, locked, published
from damon_tuner.kernel_iface.guest.packages import fetch_kernel

SUITE = "trixie"
PYTHON = "/opt/damon-tuner/bin/python"

_PROJECT = Path(__file__).parents[2]
_PACKAGES = "systemd-sysv,dbus,procps,python3-venv"
_NOT_IN_THE_WHEEL = shutil.ignore_patterns(".*", "build", "out", "tests", "*.egg-info", "*.so")

_SECTOR_BYTES = 512
_ROOT_AT_BYTES = 1 << 20
_ROOT_BYTES = 1 << 30
SWAP_BYTES = 512 << 20

# Nothing waits for a device that no udev announces, and nothing is asked at the first boot.
_KERNEL_COMMAND_LINE = (
    "console=ttyS0 quiet panic=-1 oops=panic psi=1 pti=on nopcid root=/dev/nvme0n1p1 rw "
    "init=/lib/systemd/systemd systemd.firstboot=off systemd.mask=serial-getty@ttyS0.service "
    "systemd.mask=getty@tty1.service systemd.show_status=0 systemd.journald.forward_to_console=1"
)
_CHECK_UNIT = """\
[Unit]
Description=Checks damon-tunerd as an administrator would

[Service]
Type=exec
ExecStart=/opt/damon-tuner/bin/python /root/check.py /dev/ttyS1
ExecStopPost=/usr/bin/systemctl --no-block poweroff

[Install]
WantedBy=multi-user.target
"""


def base_tree() -> Path:
    """Return the folder of Debian's files, from the cache or made as root (``GuestError``)."""
    cache = cache_dir()
    target = cache / "debian" / SUITE
    with locked(cache):
        if not target.exists():
            with published(target) as tree:
                tree.chmod(0o755)
                command = ("debootstrap", "--variant=minbase", f"--include={_PACKAGES}")
                run_tool((*command, SUITE, str(tree), find_mirror()))
                (tree / "etc/hostname").write_text("guest\n")
                # with an identity, this is no first boot
                (tree / "etc/machine-id").write_text("d" * 32 + "\n")
                shutil.rmtree(tree / "var/cache/apt/archives")
    return target


def make_wheel(folder: Path) -> Path:
    """Build the project's wheel into ``folder``, beside a copy: the checkout stays as it is."""
    source = folder / "source"
    shutil.copytree(_PROJECT, source, symlinks=True, ignore=_NOT_IN_THE_WHEEL)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps")
    run_tool((*pip, "--wheel-dir", str(folder), str(source)))
    return next(folder.glob("*.whl"))


def make_disk(work: Path, check: Path) -> Path:
    """Make a disk in the folder ``work``, to be booted: it runs ``check`` and powers off.

    It has a partition for the root file system, and one for swap.
    """
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        tree = Path(scratch, "tree")
        run_tool(("cp", "-a", str(base_tree()), str(tree)))
        _install_project(tree, make_wheel(Path(scratch)))
        _install_check(tree, check)
        disk = work / "disk"
        _write_disk(disk, tree)
    return disk


def _install_project(tree: Path, wheel: Path) -> None:
    """Install as an administrator would, but for NumPy: the daemon has to do without it."""
    shutil.copy(wheel, tree / "root")
    run_tool(("chroot", str(tree), "/usr/bin/python3", "-m", "venv", "/opt/damon-tuner"))
    pip = ("chroot", str(tree), PYTHON, "-m", "pip", "install", "--no-index", "--no-deps")
    run_tool((*pip, f"/root/{wheel.name}"))
    for command in ("damon-tuner", "damon-tunerd"):
        (tree / "usr/local/bin" / command).symlink_to(f"/opt/damon-tuner/bin/{command}")


def _install_check(tree: Path, check: Path) -> None:
    shutil.copy(check, tree / "root/check.py")
    units = tree / "etc/systemd/system"
    (units / "check.service").write_text(_CHECK_UNIT)
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    (units / "multi-user.target.wants/check.service").symlink_to("../check.service")


def boot(disk: Path, console: Path, results: Path, timeout_s: float) -> float:
    """Boot ``disk`` until it powers off; returns the seconds it took.

    ``console`` gets what kernel and journal say, ``results`` what the guest writes to its second
    serial port. Raises ``GuestError`` when it takes longer than ``timeout_s``.
    """
    command = ["setpriv", "--pdeathsig", "KILL", ensure_emulator(), "-nodefaults"]
    command += ["-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35"]
    command += ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536M"]
    command += ["-kernel", str(fetch_kernel("7.3").image), "-append", _KERNEL_COMMAND_LINE]
    command += ["-drive", f"file={disk},if=none,id=disk,format=raw,cache=unsafe"]
    command += ["-device", "nvme,drive=disk,serial=disk"]
    command += ["-serial", f"file:{console}", "-serial", f"file:{results}"]
    started = time.monotonic()
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise GuestError(f"the guest was stopped at the timeout; its console: {console}") from None
    return time.monotonic() - started


def _write_disk(disk: Path, tree: Path) -> None:
    """One disk, two partitions: the names of several disks are a matter of luck."""
    with disk.open("wb") as image:
        image.truncate(_ROOT_AT_BYTES + _ROOT_BYTES + SWAP_BYTES)
        image.write(_partition_table())
    format_root = ("/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", str(tree))
    place = ("-E", f"offset={_ROOT_AT_BYTES}", str(disk), f"{_ROOT_BYTES >> 10}k")
    run_tool((*format_root, *place))


def _partition_table() -> bytes:
    """An MBR: Linux, then Linux swap; addressed by sectors alone, as everything does today."""
    linux, swap, no_chs = 0x83, 0x82, b"\xfe\xff\xff"
    table = b""
    for kind, start, size in (
        (linux, _ROOT_AT_BYTES, _ROOT_BYTES),
        (swap, _ROOT_AT_BYTES + _ROOT_BYTES, SWAP_BYTES),
    ):
        sectors = struct.pack("<II", start // _SECTOR_BYTES, size // _SECTOR_BYTES)
        table += b"\0" + no_chs + bytes([kind]) + no_chs + sectors
    return bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"
