"""A process that plays a pattern in a control group of its own, and what the kernel says of it.

The program is that of the fidelity recordings; a boot that ``plays`` has it at ``LOAD``.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from damon_tuner.benchmarks.fidelity.inside import running
from damon_tuner.benchmarks.kernel.planned import control_group

LOAD = Path("/files/load")
PLAY_CPU = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """All that was counted until ``at_s``, of CLOCK_MONOTONIC."""

    at_s: float
    memory_bytes: int
    """What the control group holds, what lies ready in the swap cache included."""
    resident_bytes: int
    swapped_bytes: int
    major_faults: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Played:
    """A running load; ``report`` is where it tells of its accesses."""

    pid: int
    group: Path
    report: Path

    def go(self) -> None:
        """Let it begin."""
        os.kill(self.pid, signal.SIGUSR1)

    def sample(self) -> Sample:
        """Look at it."""
        process = Path("/proc", str(self.pid))
        status = (process / "status").read_text()
        kib = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if "kB" in line}
        stat = (process / "stat").read_text().rpartition(")")[2].split()
        return Sample(
            at_s=time.monotonic(),
            memory_bytes=int((self.group / "memory.current").read_text()),
            resident_bytes=int(kib["VmRSS"]) << 10,
            swapped_bytes=int(kib["VmSwap"]) << 10,
            major_faults=int(stat[9]),
            cpu_s=int((process / "schedstat").read_text().split()[0]) / 1e9,
        )

    def accesses_per_s(self) -> float:
        """From the beginning to its last report."""
        rows = [list(map(int, line.split())) for line in self.report.read_text().splitlines()]
        return sum(row[-1] for row in rows) / ((rows[-1][1] - rows[0][0]) / 1e9)


@contextmanager
def playing(name: str, pattern: str, folder: Path) -> Iterator[Played]:
    """A load that has its memory, in a group of this ``name``; it ends, and so does the group.

    What it is told and tells is in ``folder``.
    """
    words, report = folder / f"{name}.txt", folder / f"{name}.report"
    words.write_text(pattern)
    with control_group(name) as group:

        def join() -> None:
            (group / "cgroup.procs").write_text(str(os.getpid()))
            os.sched_setaffinity(0, {PLAY_CPU})

        with running(LOAD, words, report, join) as load:
            yield Played(load.pid, group, report)


def between(first: Sample, last: Sample) -> dict[str, float]:
    """What was counted between the two."""
    before, after = asdict(first), asdict(last)
    counted = ("at_s", "major_faults", "cpu_s")
    return {name: after[name] - before[name] for name in counted}
