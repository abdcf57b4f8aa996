"""What page-out costs, as a real kernel tells it: pages that come back, and the CPU it takes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from damon_tuner.kernel_iface.host import AccessPattern, Action, Context, Scheme
from damon_tuner.kernel_iface.sysfs import SysfsHost

_MIB = 1 << 20
_TOTAL_BYTES = 32 * _MIB
PAGEOUT = Scheme(Action.PAGEOUT, AccessPattern(max_nr_accesses=0, min_age=10))

# fills its memory, and touches each page of it whenever it is told to
_RETURNER = f"""
import mmap, os, sys
memory = mmap.mmap(-1, {_TOTAL_BYTES}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
memory.write((os.urandom(2048) + bytes(2048)) * {_TOTAL_BYTES // 4096})
print("ready", flush=True)
for line in sys.stdin:
    memory[::4096]
    print("touched", flush=True)
"""


@pytest.fixture
def returner() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-S", "-c", _RETURNER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def _touch_all(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "touched\n"


def test_what_comes_back_and_what_damon_takes_are_counted(
    returner: subprocess.Popen[str],
) -> None:
    if not Path("/sys/block/zram0").exists():
        pytest.skip("a disk keeps in memory what is paged out: nothing is read back")
    with SysfsHost(Context(pid=returner.pid)) as host:
        host.start([PAGEOUT])
        first = host.snapshot()
        # a deadline for an emulator on a busy machine
        deadline = time.monotonic() + 120.0
        while (out := host.snapshot()).swapped_bytes < _TOTAL_BYTES // 2:
            assert time.monotonic() < deadline, f"{out.swapped_bytes} bytes were paged out"
            host.advance(0.5)
        _touch_all(returner)
        back = host.snapshot()
    faults = back.major_faults - out.major_faults
    assert faults > _TOTAL_BYTES // 4096 // 4
    # what else the host brought back is in it as well
    assert back.swap_ins - out.swap_ins >= 0.9 * faults
    assert out.disk_swapped_share == 0.0
    passed_us = back.time_us - first.time_us
    assert 0 == first.competing_us < out.competing_us <= back.competing_us < passed_us
