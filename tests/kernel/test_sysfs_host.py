"""SysfsHost against the DAMON of a real kernel, with a real process to manage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from damon_tuner.errors import DamonBusyError, NoPermissionError, TargetGoneError
from damon_tuner.kernel_iface.host import (
    U32_MAX,
    AccessPattern,
    Action,
    Context,
    MonitoringAttrs,
    Operations,
    Quota,
    Region,
    Scheme,
    Snapshot,
)
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings

MIB = 1 << 20
HOT_BYTES = 8 * MIB
MAPPED_BYTES = 40 * MIB
COLD_BYTES = MAPPED_BYTES - HOT_BYTES

# No region is larger than a hundredth of the address ranges, so some lie within cold memory.
FINE = MonitoringAttrs(min_nr_regions=100, max_nr_regions=120)

ADMIN = Path("/sys/kernel/mm/damon/admin")
KDAMONDS = ADMIN / "kdamonds"
MODULES = Path("/sys/module")
DAMON_STAT = MODULES / "damon_stat/parameters/enabled"

STAT = Scheme(Action.STAT)
IDLE = AccessPattern(min_sz_bytes=4096, max_nr_accesses=0, min_age=10)
PAGEOUT = Scheme(Action.PAGEOUT, IDLE)
NEVER = Scheme(Action.PAGEOUT, replace(IDLE, min_age=U32_MAX))

# Maps memory, fills it with what compresses to about a half, and then writes to each page of its
# first part for ever. The pause is far shorter than a sampling interval, and lets the emulator
# forget its translations, as it does on entry to the kernel: page tables are walked again.
TOUCHER = """
import ctypes, mmap, os, sys, time
hot, total = int(sys.argv[1]), int(sys.argv[2])
os.sched_setaffinity(0, {1})
memory = mmap.mmap(-1, total, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
page = os.urandom(2048) + bytes(2048)
for start in range(0, total, 1 << 20):
    memory[start : start + (1 << 20)] = page * 256
print(ctypes.addressof(ctypes.c_char.from_buffer(memory)), flush=True)
view, ones = memoryview(memory), bytes(hot // 4096)
while True:
    view[:hot:4096] = ones
    time.sleep(0.001)
"""


@dataclass(frozen=True)
class Tenant:
    """A process that writes to the first ``HOT_BYTES`` of a mapping at ``start``."""

    process: subprocess.Popen[str]
    start: int

    @property
    def pid(self) -> int:
        return self.process.pid

    def hot(self, snapshot: Snapshot) -> list[Region]:
        return _inside(snapshot, self.start, self.start + HOT_BYTES)

    def cold(self, snapshot: Snapshot) -> list[Region]:
        return _inside(snapshot, self.start + HOT_BYTES, self.start + MAPPED_BYTES)


def _inside(snapshot: Snapshot, start: int, end: int) -> list[Region]:
    """The parts of regions between two addresses: borders are never where memory changes."""
    return [
        replace(region, start=max(region.start, start), end=min(region.end, end))
        for region in snapshot.regions
        if region.start < end and region.end > start
    ]


def _accesses(regions: list[Region]) -> float:
    """The mean over bytes; NaN without regions, which compares false."""
    total = sum(region.end - region.start for region in regions)
    weighted = sum((region.end - region.start) * region.nr_accesses for region in regions)
    return weighted / total if total else float("nan")


def _oldest(regions: list[Region]) -> int:
    """The greatest age: one hit beyond the border of cold memory makes its region young again."""
    return max((region.age for region in regions), default=0)


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    arguments = [sys.executable, "-S", "-c", TOUCHER, str(HOT_BYTES), str(MAPPED_BYTES)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Tenant(process, int(process.stdout.readline()))
        process.kill()


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Every test leaves DAMON as it was."""
    os.sched_setaffinity(0, {0})
    before = damon_settings()
    yield
    assert damon_settings() == before


@contextmanager
def started(context: Context, *schemes: Scheme) -> Iterator[SysfsHost]:
    """A host whose kdamond leaves CPU 1 to the tenant."""
    with SysfsHost(context) as host:
        host.start(schemes)
        os.sched_setaffinity(int((KDAMONDS / "0/pid").read_text()), {0})
        yield host


def observe_until(
    host: SysfsHost, condition: Callable[[Snapshot], bool], seconds: float = 120.0
) -> Snapshot:
    # a deadline for an emulator on a busy machine, where an interval may take several times longer
    deadline = time.monotonic() + seconds
    while True:
        snapshot = host.snapshot()
        if condition(snapshot) or time.monotonic() > deadline:
            return snapshot
        host.advance(0.2)


@contextmanager
def writing(path: Path, text: str) -> Iterator[None]:
    """Hold a parameter, where the kernel has it, at another value."""
    if not path.exists():
        yield
        return
    before = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


def test_hot_memory_is_hot_and_cold_memory_ages(tenant: Tenant) -> None:
    with started(Context(pid=tenant.pid, attrs=FINE), STAT) as host:
        # a border between hot and cold is found only after some splits
        snapshot = observe_until(
            host,
            lambda s: (
                _accesses(tenant.hot(s)) > 10
                and _accesses(tenant.cold(s)) < 1
                and _oldest(tenant.cold(s)) > 20
            ),
        )
    assert _accesses(tenant.hot(snapshot)) > 10
    assert _accesses(tenant.cold(snapshot)) < 1
    assert _oldest(tenant.cold(snapshot)) > 20


def test_regions_are_in_order_and_cover_the_mapping(tenant: Tenant) -> None:
    context = Context(pid=tenant.pid)
    with started(context) as host:
        host.advance(1.0)
        regions = host.snapshot().regions
    assert all(region.start < region.end for region in regions)
    assert all(left.end <= right.start for left, right in pairwise(regions))
    assert regions[0].start <= tenant.start
    assert regions[-1].end >= tenant.start + MAPPED_BYTES
    assert context.attrs.min_nr_regions // 2 <= len(regions) <= context.attrs.max_nr_regions
    assert all(region.nr_accesses <= 20 for region in regions)


@pytest.mark.slow
def test_pageout_moves_idle_memory_to_swap_and_the_tenant_goes_on(tenant: Tenant) -> None:
    with started(Context(pid=tenant.pid), PAGEOUT) as host:
        before = host.snapshot()
        after = observe_until(host, lambda s: s.swapped_bytes > 0.8 * COLD_BYTES)
        host.advance(1.0)
        later = host.snapshot()
    assert before.resident_bytes > MAPPED_BYTES
    assert after.swapped_bytes > 0.8 * COLD_BYTES
    assert after.resident_bytes < before.resident_bytes - 0.7 * COLD_BYTES
    if Path("/sys/block/zram0").exists():
        assert after.compressed_bytes > before.compressed_bytes + 0.3 * COLD_BYTES
    assert after.swap_free_bytes < before.swap_free_bytes
    # Not sz_applied: of a region with a hole in it, the kernel pages out all and counts nothing.
    assert after.scheme_stats[0].sz_tried_bytes > 0.8 * COLD_BYTES
    assert later.cpu_time_us > after.cpu_time_us
    assert later.resident_bytes > HOT_BYTES
    assert later.psi_some_us >= before.psi_some_us


def test_a_commit_changes_what_happens_and_keeps_ages_and_statistics(tenant: Tenant) -> None:
    with started(Context(pid=tenant.pid, attrs=FINE), NEVER) as host:
        observe_until(host, lambda s: _oldest(tenant.cold(s)) > 20)
        host.apply([replace(NEVER, quota=Quota(sz_bytes=MIB, reset_interval_ms=1_000))])
        kept = host.snapshot()
        assert _oldest(tenant.cold(kept)) > 10
        assert kept.scheme_stats[0].nr_tried == 0
        assert kept.resident_bytes > MAPPED_BYTES
        host.apply([PAGEOUT])
        # statistics are those of passes that have ended
        moved = observe_until(
            host, lambda s: min(s.swapped_bytes, s.scheme_stats[0].sz_tried_bytes) >= 2 * MIB
        )
        assert moved.swapped_bytes >= 2 * MIB
        host.apply([NEVER])
        stats = host.snapshot().scheme_stats[0]
        assert stats.sz_tried_bytes >= moved.scheme_stats[0].sz_tried_bytes >= 2 * MIB


def test_schemes_come_and_go_with_statistics_of_their_own(tenant: Tenant) -> None:
    with started(Context(pid=tenant.pid), STAT) as host:
        host.advance(2.0)
        first = host.snapshot().scheme_stats[0]
        host.apply([STAT, STAT])
        grown = observe_until(host, lambda s: s.scheme_stats[1].nr_tried > 0)
        assert len(grown.scheme_stats) == 2
        assert first.nr_tried <= grown.scheme_stats[0].nr_tried
        assert 0 < grown.scheme_stats[1].nr_tried < first.nr_tried / 2
        host.apply([STAT])
        tried = grown.scheme_stats[0].nr_tried
        shrunk = observe_until(host, lambda s: s.scheme_stats[0].nr_tried > tried)
        assert grown.scheme_stats[0].nr_tried < shrunk.scheme_stats[0].nr_tried
        assert len(shrunk.scheme_stats) == 1
        assert shrunk.regions[-1].end >= tenant.start + MAPPED_BYTES


def test_a_quota_is_effective_and_exceeded(tenant: Tenant) -> None:
    limited = replace(PAGEOUT, quota=Quota(sz_bytes=MIB, reset_interval_ms=500))
    with started(Context(pid=tenant.pid), limited) as host:
        snapshot = observe_until(host, lambda s: s.scheme_stats[0].qt_exceeds > 1)
    assert snapshot.scheme_stats[0].effective_quota_bytes == MIB
    assert snapshot.scheme_stats[0].qt_exceeds > 1
    # No least amount: the quota also goes to cold addresses that no memory stands behind.
    assert snapshot.swapped_bytes < 0.5 * COLD_BYTES


def test_physical_memory_is_monitored_range_by_range() -> None:
    ranges = [
        tuple(int(address, 16) for address in line.split()[0].split("-"))
        for line in Path("/proc/iomem").read_text().splitlines()
        if line.endswith(" : System RAM")
    ]
    with started(Context(Operations.PADDR), STAT) as host:
        old = observe_until(host, lambda s: max(region.age for region in s.regions) > 10)
        host.apply([replace(STAT, pattern=AccessPattern(max_nr_accesses=1))])
        new = host.snapshot()
    assert all(
        any(start <= region.start and region.end <= end + 1 for start, end in ranges)
        for region in old.regions
    )
    assert sum(r.end - r.start for r in old.regions) > 0.95 * old.memory_total_bytes
    assert max(region.age for region in new.regions) > 5
    assert old.resident_bytes + old.memory_free_bytes <= old.memory_total_bytes
    assert old.cpu_time_us > 0


@pytest.mark.parametrize("context", [Context(pid=os.getpid()), Context(Operations.PADDR)])
def test_damon_stat_runs_again_after_stop(context: Context) -> None:
    if not DAMON_STAT.exists():
        pytest.skip("this kernel has no damon_stat")
    with writing(DAMON_STAT, "Y"), started(context):
        assert DAMON_STAT.read_text() == "N\n"
        assert (KDAMONDS / "0/state").read_text() == "on\n"


def test_a_foreign_kdamond_is_named_and_not_touched(tenant: Tenant) -> None:
    with writing(DAMON_STAT, "N"), foreign_kdamond(tenant.pid) as pid:
        before = damon_settings()
        with pytest.raises(DamonBusyError, match=rf"kdamond 0 \(on, pid {pid}\)"):
            SysfsHost(Context(pid=tenant.pid)).start([STAT])
        assert damon_settings() == before


@contextmanager
def foreign_kdamond(pid: int) -> Iterator[int]:
    (KDAMONDS / "nr_kdamonds").write_text("1")
    (KDAMONDS / "0/contexts/nr_contexts").write_text("1")
    targets = KDAMONDS / "0/contexts/0/targets"
    (targets / "nr_targets").write_text("1")
    (targets / "0/pid_target").write_text(str(pid))
    (KDAMONDS / "0/state").write_text("on")
    try:
        yield int((KDAMONDS / "0/pid").read_text())
    finally:
        (KDAMONDS / "0/state").write_text("off")
        (KDAMONDS / "nr_kdamonds").write_text("0")


@pytest.mark.parametrize("module", ["damon_reclaim", "damon_lru_sort"])
def test_a_module_that_runs_damon_is_named_and_not_touched(module: str) -> None:
    parameter = MODULES / module / "parameters/enabled"
    with writing(DAMON_STAT, "N"), writing(parameter, "Y"):
        before = damon_settings()
        with pytest.raises(DamonBusyError, match=f"{module}: write N to {parameter}"):
            SysfsHost(Context(pid=os.getpid())).start([STAT])
        assert damon_settings() == before


@pytest.mark.parametrize("reaped", [True, False], ids=["reaped", "zombie"])
def test_a_killed_tenant_is_noticed_at_once_and_everything_restored(
    tenant: Tenant, reaped: bool
) -> None:
    with started(Context(pid=tenant.pid), PAGEOUT) as host:
        host.snapshot()
        tenant.process.send_signal(signal.SIGKILL)
        begun = time.monotonic()
        host.advance(30.0)
        assert time.monotonic() - begun < 10
        if reaped:
            tenant.process.wait()
        with pytest.raises(TargetGoneError, match=f"process {tenant.pid}"):
            host.snapshot()
        with pytest.raises(TargetGoneError, match=f"process {tenant.pid}"):
            host.apply([NEVER])


def test_an_unprivileged_user_is_told_to_be_root() -> None:
    os.seteuid(65534)
    try:
        with pytest.raises(NoPermissionError, match="run as root"):
            SysfsHost(Context(pid=os.getpid())).start([STAT])
    finally:
        os.seteuid(0)
