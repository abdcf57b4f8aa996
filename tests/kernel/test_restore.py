"""Kills, leases and strangers in a real kernel."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from damon_tuner.benchmarks.kernel.kills import drivers, kill_all
from damon_tuner.errors import TakenOverError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    MonitoringAttrs,
    Operations,
    Quota,
    Scheme,
)
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings
from damon_tuner.kernel_iface.sysfs.journal import state_dir
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.observe.physical import system_ram
from damon_tuner.kernel_iface.sysfs.restore import restore
from damon_tuner.kernel_iface.sysfs.tree import Tree

KDAMOND = Path("/sys/kernel/mm/damon/admin/kdamonds/0")
STATS = KDAMOND / "contexts/0/schemes/0/stats"
COLD = Scheme(Action.COLD, AccessPattern(min_sz_bytes=4096), apply_interval_us=100_000)
FINE = MonitoringAttrs(min_nr_regions=20, max_nr_regions=100)
LEASE_S = 6.0
QUIET_S = 5.0
MAX_SNAPSHOTS = "max_nr_snapshots"
MIB = 1 << 20
RANGE_BYTES = 32 * MIB
PASS_S = 4.0
"""What a quota of an eighth of the range each half second takes for all of it."""

needs_leases = pytest.mark.skipif(
    int(os.uname().release.split(".")[0]) < 7, reason="max_nr_snapshots came with Linux 7.0"
)


@pytest.fixture
def tenant() -> Iterator[int]:
    code = "import time; memory = bytearray(b'x' * (16 << 20)); print(flush=True); time.sleep(1e6)"
    command = [sys.executable, "-S", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Every test leaves DAMON as it was."""
    before = damon_settings()
    yield
    restore(LocalKernel(), state_dir(), traces=Path("/"))
    assert damon_settings() == before


@pytest.mark.slow
def test_kills_at_random_moments_are_restored(tenant: int) -> None:
    kills = list(kill_all(drivers(tenant), 5, random.Random(7)))
    assert [kill for kill in kills if not kill.restored] == []
    assert any(kill.left_changes for kill in kills)


def tried() -> int:
    (KDAMOND / "state").write_text("update_schemes_stats")
    return int((STATS / "nr_tried").read_text())


def killed_owner(context: Context, scheme: Scheme, seconds: float) -> None:
    """A tuner that renews its lease once a second, killed after ``seconds``."""
    pid = os.fork()
    if pid == 0:
        try:
            host = SysfsHost(context, lease_s=LEASE_S)
            host.start([scheme])
            while True:
                host.advance(1.0)
                host.snapshot()
                host.apply([scheme])
        finally:
            os._exit(1)
    time.sleep(seconds)
    assert int((STATS / MAX_SNAPSHOTS).read_text()) > 0
    assert tried() > 0
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def seconds_until_it_stops(most_s: float) -> float:
    """How long after now the scheme tried its last region; infinite when it goes on."""
    began = changed = time.monotonic()
    count = tried()
    while (now_s := time.monotonic()) < began + most_s:
        time.sleep(0.5)
        now = tried()
        if now != count:
            count, changed = now, time.monotonic()
        elif now_s > changed + QUIET_S:
            return changed - began
    return float("inf")


@pytest.mark.slow
@needs_leases
def test_the_schemes_of_a_dead_tuner_stop_within_the_lease(tenant: int) -> None:
    killed_owner(Context(pid=tenant, attrs=FINE), COLD, 8.0)
    stopped_s = seconds_until_it_stops(4 * LEASE_S + QUIET_S)
    print(f"stopped {stopped_s:.1f} s after the kill, with a lease of {LEASE_S:g} s")
    # On a late clock the interval of the kernel is longer than asked for.
    assert stopped_s <= 2 * LEASE_S


@pytest.mark.slow
@needs_leases
def test_a_scheme_whose_quota_is_always_full_stops_after_a_pass() -> None:
    start = next(start for start, end in system_ram(Tree(LocalKernel())) if end > 1 << 30)
    start = max(start, 512 * MIB)
    context = Context(Operations.PADDR, FINE, ranges=((start, start + RANGE_BYTES),))
    quota = Quota(sz_bytes=RANGE_BYTES // 8, reset_interval_ms=500)
    killed_owner(context, replace(COLD, action=Action.LRU_DEPRIO, quota=quota), 15.0)
    made, allowed = (int((STATS / name).read_text()) for name in ("nr_snapshots", MAX_SNAPSHOTS))
    stopped_s = seconds_until_it_stops(60.0)
    print(
        f"always full, a pass in {PASS_S:g} s: {made} walks ended in 15 s, {allowed - made} more "
        f"were granted, stopped {stopped_s:.1f} s after the kill"
    )
    assert stopped_s <= 2 * (LEASE_S + 2 * PASS_S)


@pytest.mark.slow
def test_a_kdamond_that_somebody_else_restarts_is_left_alone(tenant: int) -> None:
    host = SysfsHost(Context(pid=tenant, attrs=FINE))
    host.start([COLD])
    (KDAMOND / "state").write_text("off")
    (KDAMOND / "state").write_text("on")
    try:
        with pytest.raises(TakenOverError, match="restarted"):
            host.snapshot()
        with pytest.raises(Exception, match="left alone"):
            host.stop()
        assert (KDAMOND / "state").read_text() == "on\n"
    finally:
        (KDAMOND / "state").write_text("off")
        (KDAMOND.parent / "nr_kdamonds").write_text("0")
        restore(LocalKernel(), state_dir(), traces=Path("/"))
        stat = Path("/sys/module/damon_stat/parameters/enabled")
        if stat.exists():
            stat.write_text("Y")


def test_a_scheme_that_somebody_else_stages_is_not_committed(tenant: int) -> None:
    with SysfsHost(Context(pid=tenant, attrs=FINE)) as host:
        host.start([COLD])
        (KDAMOND / "contexts/0/schemes/0/access_pattern/age/min").write_text("77")
        with pytest.raises(TakenOverError, match="age/min=77"):
            host.apply([replace(COLD, apply_interval_us=200_000)])
