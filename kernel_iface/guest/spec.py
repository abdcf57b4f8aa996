"""What a guest is made of, and what comes back from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SWAP_ALGORITHMS = ("lz4", "lz4hc", "zstd", "deflate")

_LEAST_NODE_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class GuestSpec:
    """The emulated machine; raises ``ValueError`` for a machine that could not boot."""

    kernel_series: str = "7.3"
    """The newest Debian kernel (cloud flavour) whose version starts with this is booted."""
    memory_bytes: int = 2 << 30
    """Memory of the node that has the CPUs; this and all sizes are rounded down to whole MiB."""
    slow_bytes: int = 0
    """Memory of a second node without CPUs, which the kernel puts into a slower tier than the
    first; 0 is no such node. The emulator gives both the same speed."""
    movable_bytes: int = 0
    """How much of all memory may hold only pages that can move, so that its blocks can go
    offline; the kernel takes the same from each node, from its end."""
    cpus: int = 2
    swap_bytes: int = 0
    """Size of the swap; 0 is none. It is zram, counted before compression, or a disk where the
    kernel is one of those that Debian has without their modules."""
    swap_algorithm: str = "lz4"
    counted_clock: bool = False
    """Time is the number of instructions executed, a nanosecond each, and not this machine's
    clock: however busy this machine is, and however slow the emulator, the guest's timers are
    on time. It runs on one thread."""
    one_thread: bool = False
    """All CPUs are emulated by one thread, which makes a guest with more than one slower. With
    several the emulator now and then breaks a kernel that patches itself; with one it cannot."""
    kernel_args: tuple[str, ...] = ()
    """Further words of the kernel command line; the last one of a name wins."""

    def __post_init__(self) -> None:
        """Check what the emulator or the kernel would only complain about half a minute later."""
        if not re.fullmatch(r"\d+\.\d+(\.\d+)?", self.kernel_series):
            raise ValueError(f"kernel_series is like 7.3 or 6.12, not {self.kernel_series!r}")
        if self.memory_bytes < 512 << 20:
            raise ValueError("memory_bytes: the guest needs at least 512 MiB to unpack its image")
        if 0 < self.slow_bytes < _LEAST_NODE_BYTES or self.slow_bytes < 0:
            raise ValueError("slow_bytes is 0, or at least one memory block of 128 MiB")
        if not 0 <= self.movable_bytes <= self.total_bytes - _LEAST_NODE_BYTES:
            raise ValueError("movable_bytes must leave 128 MiB to the kernel")
        if self.cpus < 1:
            raise ValueError("cpus must be at least 1")
        if self.swap_bytes < 0:
            raise ValueError("swap_bytes cannot be negative; 0 is no swap")
        if self.swap_algorithm not in SWAP_ALGORITHMS:
            raise ValueError(f"swap_algorithm is one of {', '.join(SWAP_ALGORITHMS)}")

    @property
    def total_bytes(self) -> int:
        """Memory of all nodes."""
        return self.memory_bytes + self.slow_bytes


@dataclass(frozen=True, slots=True)
class GuestResult:
    """What one command in the guest left behind."""

    exit_status: int
    """As a shell counts it: 128 + n for a command that signal n ended."""
    kernel_version: str
    """``uname -r`` of the kernel that ran."""
    boot_s: float
    """From power-on until the command was started."""
    total_s: float
    """From power-on until the last result was here."""
    boots: int
    """1, or more where the emulator broke the kernel on its way up and it was started again."""
    out_dir: Path
    """Holds what the command wrote to ``$DAMON_TUNER_OUT``."""
    console_log: Path
    """Everything that the kernel and the emulator said."""
