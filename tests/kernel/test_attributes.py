"""A real sequential sweep and real random touches are told apart, and duplicates are found."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from damon_tuner.benchmarks.kernel.load import Part, running
from damon_tuner.daemon.attributes.live import watch_process
from damon_tuner.daemon.attributes.physical import watch_physical
from damon_tuner.daemon.attributes.report import AttributesReport
from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings

_CGROUPS = Path("/sys/fs/cgroup")

MIB = 1 << 20
SWEPT, RANDOM, SAME = 96 * MIB, 64 * MIB, 32 * MIB

# A window of 2 MiB passes over the first part once in 20 s; in the second, one of 16
# places is used at a time, for 1.5 s; the third is written once, half of it with equal pages.
_LOAD = """
import ctypes, json, mmap, os, random, time
MIB = 1 << 20

def mapped(size):
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    memory = mmap.mmap(-1, size, flags=flags)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory

def filled(size, page):
    memory = mapped(size)
    for at in range(0, size, 4096):
        memory[at : at + 4096] = page(at)
    return memory

swept = filled(SWEPT, lambda at: os.urandom(16) + bytes(4080))
places = filled(RANDOM, lambda at: os.urandom(16) + bytes(4080))
same = filled(SAME, lambda at: b"x" * 4096 if at % 8192 else os.urandom(16) + bytes(4080))
starts = [ctypes.addressof(ctypes.c_char.from_buffer(m)) for m in (swept, places, same)]
print(json.dumps(starts), flush=True)
views = [memoryview(m) for m in (swept, places)]
rng, place, until = random.Random(1), 0, 0.0
start = time.monotonic()
while True:
    now = time.monotonic() - start
    if now >= until:
        place, until = rng.randrange(16), now + 1.5
    at = int(now / 20 % 1 * (SWEPT - 2 * MIB)) // 4096 * 4096
    bytes(views[0][at : at + 2 * MIB : 4096])
    bytes(views[1][place * 4 * MIB : (place + 1) * 4 * MIB : 4096])
    time.sleep(0.002)
"""


@pytest.fixture
def load() -> Iterator[tuple[int, list[int]]]:
    """The process, and where its three parts begin."""
    program = _LOAD.replace("SWEPT", str(SWEPT)).replace("RANDOM", str(RANDOM))
    command = [sys.executable, "-S", "-c", program.replace("SAME", str(SAME))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, json.loads(process.stdout.readline())
        process.kill()


def share(report: AttributesReport, start: int, size: int, pattern: str) -> float:
    """Of these addresses, how much has the pattern."""
    return (
        sum(
            max(0, min(row.chunk.end, start + size) - max(row.chunk.start, start))
            for row in report.rows
            if row.chunk.pattern == pattern
        )
        / size
    )


@pytest.mark.slow
def test_attributes_of_a_real_process(load: tuple[int, list[int]]) -> None:
    pid, (swept, places, same) = load
    before = damon_settings()
    report = watch_process(pid, seconds=90.0, interval_s=1.0, max_pages=16_384)
    assert damon_settings() == before
    assert share(report, swept, SWEPT, "sequential") >= 0.6
    # random uses are in order by chance now and then, and in so short a time there are few
    assert share(report, places, RANDOM, "sequential") <= 0.35
    assert share(report, places, RANDOM, "irregular") >= 0.5
    assert share(report, same, SAME, "idle") >= 0.8
    advice = {kind.kind for kind in report.advice()}
    assert {"prefetch", "merge"} <= advice
    assert report.merging is not None
    alike = report.merging.alike
    assert alike is not None
    # half of the pages, and the others are each of its own
    assert alike.duplicate_share == pytest.approx(0.5, abs=0.1)
    assert alike.nr_read >= 5_000
    assert json.loads(report.json())["merging"]["measured"]["nr_read"] == alike.nr_read


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of the test's own."""
    (_CGROUPS / "cgroup.subtree_control").write_text("+memory")
    path = _CGROUPS / "attributes-test"
    path.mkdir()
    yield path
    # its last process may take a moment to be gone, and the guest ends anyway
    with suppress(OSError):
        path.rmdir()


def test_attributes_of_physical_memory(group: Path) -> None:
    before = damon_settings()
    parts = (Part(48 * MIB, hot=True), Part(80 * MIB))
    with running(parts, cpu=1, cgroup=group):
        try:
            report = watch_physical(cgroup=group.name, seconds=8.0, interval_s=1.0)
        except DamonMissingError as error:
            pytest.skip(str(error))
        finally:
            assert damon_settings() == before
    total = {
        name: sum(each.by_attribute[name] for each in report.classes)
        for name in ("anonymous", "file", group.name)
    }
    # what DAMON's samples hit is an estimate
    assert 100 * MIB <= total[group.name] <= 200 * MIB
    assert total["anonymous"] >= 0.8 * total[group.name]
    assert total["file"] > 0.0
    in_use = sum(each.by_attribute[group.name] for each in report.classes[1:])
    assert in_use >= 10 * MIB
    assert group.name in report.text()
