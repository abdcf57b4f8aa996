"""The emulator: where it is, how to get it, and how it is called."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest.apt import run_tool
from damon_tuner.kernel_iface.guest.spec import GuestSpec

EMULATOR = "qemu-system-x86_64"
PACKAGE = "qemu-system-x86"

# DAMON clears accessed bits without flushing the TLB. The emulator's TLB is so large that a
# process alone on its CPU would never walk its page tables again, and look idle to DAMON; with
# page table isolation and without PCIDs every entry into the kernel flushes it.
_HONEST_ACCESSED_BITS = ("pti=on", "nopcid")

# What the machine tells of its fast and its slow node: nanoseconds, and bytes a second. Local
# DRAM and memory behind CXL are about so far apart; from that far on, Linux makes two tiers.
_TIERS = ((90, "80G"), (250, "20G"))


@dataclass(frozen=True, slots=True)
class GuestFiles:
    """The files that one run of the emulator reads and writes."""

    kernel: Path
    initrd: Path
    console_log: Path
    results: Path
    swap: Path | None = None
    """A disk to swap to, for a kernel that has no zram."""
    disk: Path | None = None
    """A disk that outlives the guest."""


def find_emulator() -> str:
    """Return the path of the emulator (``GuestError`` saying how to get it)."""
    if platform.machine() != "x86_64":
        raise GuestError("the guest needs an x86-64 machine: it runs this machine's Python")
    if found := shutil.which(EMULATOR):
        return found
    raise GuestError(
        f"{EMULATOR} not found: run 'apt-get install --no-install-recommends {PACKAGE}' as root"
    )


def ensure_emulator() -> str:
    """Return the path of the emulator, installing Debian's package if root may do that.

    Raises ``GuestError``, saying what to do, where it is missing and cannot be installed.
    """
    try:
        return find_emulator()
    except GuestError:
        if os.geteuid() != 0 or not shutil.which("apt-get") or platform.machine() != "x86_64":
            raise
    run_tool(("apt-get", "update"))
    run_tool(
        ("apt-get", "install", "--yes", "--no-install-recommends", PACKAGE),
        {"DEBIAN_FRONTEND": "noninteractive"},
    )
    return find_emulator()


def emulator_command(
    emulator: str, spec: GuestSpec, files: GuestFiles, control: int, output: int
) -> list[str]:
    """Return the command line that boots ``spec``; the emulator dies with its parent.

    ``control`` and ``output`` are file descriptors that the emulator inherits and writes to.
    """
    command = ["setpriv", "--pdeathsig", "KILL", emulator, "-nodefaults", "-no-user-config"]
    command += ["-display", "none", "-no-reboot"]
    command += [*_machine(spec), *_clock(spec), "-cpu", "max"]
    command += ["-kernel", str(files.kernel), "-initrd", str(files.initrd)]
    command += ["-append", _kernel_command_line(spec)]
    command += ["-chardev", f"file,id=console,append=on,path={_escaped(files.console_log)}"]
    command += ["-serial", "chardev:console", "-device", "virtio-serial-pci"]
    ports = {
        "control": f"/proc/self/fd/{control}",
        "output": f"/proc/self/fd/{output}",
        "results": _escaped(files.results),
    }
    for number, (name, path) in enumerate(ports.items(), start=1):
        command += ["-chardev", f"file,id={name},path={path}"]
        command += ["-device", f"virtserialport,nr={number},chardev={name},name={name}"]
    for name, disk in (("swap", files.swap), ("disk", files.disk)):
        if disk is not None:
            # the only disk that Debian's cloud kernels can use without a module
            drive = f"file={_escaped(disk)},if=none,id={name},format=raw,cache=unsafe"
            command += ["-drive", drive, "-device", f"nvme,drive={name},serial={name}"]
    return command


def _machine(spec: GuestSpec) -> list[str]:
    """The board, its CPUs and its memory, with the tables from which Linux makes tiers of it."""
    fast_mib, slow_mib = spec.memory_bytes >> 20, spec.slow_bytes >> 20
    # one socket: the node without CPUs would be given those of a second one
    words = ["-smp", f"{spec.cpus},sockets=1", "-m", f"{fast_mib + slow_mib}M"]
    if not slow_mib:
        return ["-machine", "q35", *words]
    words += ["-object", f"memory-backend-ram,id=fast,size={fast_mib}M"]
    words += ["-object", f"memory-backend-ram,id=slow,size={slow_mib}M"]
    words += ["-numa", f"node,nodeid=0,memdev=fast,cpus=0-{spec.cpus - 1}"]
    words += ["-numa", "node,nodeid=1,memdev=slow,initiator=0"]
    for node, (latency_ns, bandwidth) in enumerate(_TIERS):
        told = f"hmat-lb,initiator=0,target={node},hierarchy=memory,data-type=access"
        words += ["-numa", f"{told}-latency,latency={latency_ns}"]
        words += ["-numa", f"{told}-bandwidth,bandwidth={bandwidth}"]
    return ["-machine", "q35,hmat=on", *words]


def _clock(spec: GuestSpec) -> list[str]:
    one_thread = spec.one_thread or spec.counted_clock
    words = ["-accel", f"tcg,thread={'single' if one_thread else 'multi'}"]
    if spec.counted_clock:
        # one instruction is one nanosecond; where every CPU sleeps, time jumps to the next timer
        words += ["-icount", "shift=0,sleep=off"]
    return words


def _kernel_command_line(spec: GuestSpec) -> str:
    words = ["console=ttyS0", "quiet", "panic=-1", "oops=panic", "psi=1", *_HONEST_ACCESSED_BITS]
    if spec.movable_bytes:
        words.append(f"movablecore={spec.movable_bytes >> 20}M")
    return " ".join((*words, *spec.kernel_args))


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")
