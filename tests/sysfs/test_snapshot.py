"""What a snapshot shows of the process, the host and DAMON."""

from __future__ import annotations

import errno
import os

import pytest

from damon_tuner.errors import KernelRejectedError, TargetGoneError
from damon_tuner.kernel_iface.host import Action, Context, Operations, Region, Scheme, SchemeStats
from damon_tuner.kernel_iface.sysfs.observe.costs import CostObserver
from damon_tuner.kernel_iface.sysfs.observe.memory import memory as host_memory
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .fake_kernel import PID, SCHEMES, Fault, failure

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
STAT = Scheme(Action.STAT)


@pytest.fixture
def host(kernel, make_host):
    host = make_host(swap_in_us=75.0)
    host.start([STAT])
    return host


def test_a_process(kernel, host):
    kernel.clock_us = 5_000_000
    snapshot = host.snapshot()
    assert snapshot.time_us == 5_000_000
    assert snapshot.resident_bytes == 800 << 10
    assert snapshot.swapped_bytes == 20 << 10
    assert snapshot.major_faults == 12
    assert snapshot.cpu_time_us == (30 + 20) * TICK_US
    assert snapshot.swap_in_us == 75.0


def test_the_host_around_it(host):
    snapshot = host.snapshot()
    assert snapshot.compressed_bytes == 2 * 4096 + (4 << 10)
    assert snapshot.memory_total_bytes == 2_000_000 << 10
    assert snapshot.memory_free_bytes == 500_000 << 10
    assert snapshot.swap_total_bytes == 1000 << 10
    assert snapshot.swap_free_bytes == 400 << 10
    assert snapshot.psi_some_us == 1234
    assert snapshot.intervals.aggr_us == 100_000


def test_the_whole_host_as_the_tenant(make_host):
    host = make_host(Context(Operations.PADDR))
    host.start([])
    snapshot = host.snapshot()
    pool_bytes = 2 * 4096 + (4 << 10)
    assert snapshot.resident_bytes == (1_500_000 << 10) - pool_bytes
    assert snapshot.swapped_bytes == 600 << 10
    assert snapshot.major_faults == 77
    assert snapshot.cpu_time_us == (10 + 1 + 2 + 3 + 4) * TICK_US


def test_a_host_without_compressed_swap(kernel, host):
    for path in ("sys/block/zram0/mm_stat", "sys/block/zram1/mm_stat"):
        del kernel.files[path]
    kernel.files["proc/meminfo"] = kernel.files["proc/meminfo"].replace("Zswap:  4 kB\n", "")
    assert host.snapshot().compressed_bytes == 0


def test_regions_come_in_the_order_of_addresses(kernel, host):
    kernel.regions = [Region(start, start + 1, 0, start) for start in range(99, -1, -1)]
    assert host.snapshot().regions == tuple(reversed(kernel.regions))


def test_the_regions_files_do_not_stay_in_the_kernel(kernel, host):
    host.snapshot()
    assert not [path for path in kernel.files if "tried_regions/0" in path]


def test_statistics_are_those_of_the_callers_schemes(kernel, make_host):
    host = make_host()
    host.start([STAT, STAT])
    kernel.stats[0] = {"stats/nr_tried": "1", "stats/sz_tried": "2", "stats/nr_applied": "3"}
    kernel.stats[1] = {"stats/sz_applied": "4", "stats/qt_exceeds": "5"}
    kernel.stats[2] = {"stats/nr_tried": "999"}
    kernel.files[f"{SCHEMES}/1/quotas/effective_bytes"] = "6"
    assert host.snapshot().scheme_stats == (
        SchemeStats(nr_tried=1, sz_tried_bytes=2, nr_applied=3),
        SchemeStats(sz_applied_bytes=4, qt_exceeds=5, effective_quota_bytes=6),
    )


def test_a_cancelled_walk_is_asked_for_again(kernel, host):
    word = "update_schemes_tried_regions"
    kernel.write_faults = [Fault("state", failure(errno.ECANCELED), text=word)]
    assert host.snapshot().regions == tuple(kernel.regions)


def test_a_walk_that_is_always_cancelled_is_an_error(kernel, host):
    word = "update_schemes_tried_regions"
    kernel.write_faults = [Fault("state", failure(errno.ECANCELED), times=99, text=word)]
    with pytest.raises(KernelRejectedError, match="ECANCELED"):
        host.snapshot()


def test_a_worker_that_somebody_else_switched_off(kernel, host):
    kernel.end_kdamond()
    with pytest.raises(KernelRejectedError, match="no longer runs"):
        host.snapshot()


@pytest.mark.parametrize("reaped", [True, False], ids=["gone", "zombie"])
def test_a_process_that_exits_at_any_step(kernel, make_host, reaped):
    for step in range(100):
        if f"proc/{PID}/stat" not in kernel.files or "Z" in kernel.files[f"proc/{PID}/stat"]:
            kernel.spawn(PID)
        host = make_host()
        host.start([STAT])
        exits_at_read(kernel, step, reaped)
        try:
            host.snapshot()
        except TargetGoneError as error:
            assert f"process {PID}" in str(error)
        else:
            break
        finally:
            del kernel.read
            host.stop()
    assert step > 5


def exits_at_read(kernel, step: int, reaped: bool) -> None:
    remaining = [step]
    read = type(kernel).read

    def reading(path: str) -> str:
        if remaining[0] == 0 and f"proc/{PID}/stat" in kernel.files:
            kernel.kill(PID, reaped=reaped)
        remaining[0] -= 1
        return read(kernel, path)

    kernel.read = reading


def test_a_reused_process_number_is_another_process(kernel, host):
    kernel.spawn(PID, start=101)
    with pytest.raises(TargetGoneError, match="belongs to another process"):
        host.snapshot()


def test_time_passes_while_the_process_is_watched(kernel, host):
    host.advance(2.5)
    assert kernel.waits[-1] == (2.5, PID)


def test_observing_before_start_is_a_mistake(make_host):
    with pytest.raises(RuntimeError, match="call start first"):
        make_host().snapshot()


def test_where_faults_read_from(kernel, make_host):
    host = make_host(swap_in_us=5.0, disk_in_us=90.0)
    host.start([STAT])
    kernel.files["proc/swaps"] = (
        "Filename Type Size Used Priority\n"
        "/dev/zram0 partition 1000 300 100\n"
        "/dev/vda2 partition 1000 100 1\n"
    )
    kernel.files["proc/vmstat"] += "pswpin 4000\nzswpin 700\nswpin_zero 11\n"
    snapshot = host.snapshot()
    assert (snapshot.swap_in_us, snapshot.disk_in_us) == (5.0, 90.0)
    assert snapshot.disk_swapped_share == 0.25
    assert snapshot.swap_ins == 4711


def test_what_damon_takes_of_busy_cpus(kernel, host):
    """A quarter of the CPUs' time is busy: of 80 ticks, 20 were somebody else's."""
    pid = int(kernel.files["sys/kernel/mm/damon/admin/kdamonds/0/pid"])

    def after(thread_ticks: int, busy_ticks: int, idle_ticks: int) -> int:
        times = f"S 2 {'0 ' * 9}{thread_ticks} {'0 ' * 37}"
        kernel.files[f"proc/{pid}/stat"] = f"{pid} (kdamond.0) {times}"
        kernel.files["proc/stat"] = f"cpu {busy_ticks} 0 0 {idle_ticks} 0 0 0 0 0 0\n"
        return host.snapshot().competing_us

    assert after(100, 1000, 1000) == 0
    assert after(180, 1100, 1300) == 20 * TICK_US
    # no time has passed, and counters that went back, are nothing
    assert after(180, 1100, 1300) == after(170, 1100, 1300) == 20 * TICK_US
    del kernel.files[f"proc/{pid}/stat"]
    assert host.snapshot().competing_us == 20 * TICK_US
    # a thread that was not seen before may have worked for long
    assert after(900, 1200, 1600) == 20 * TICK_US
    assert after(940, 1300, 1700) == 40 * TICK_US


def test_what_another_kdamond_took_is_not_taken_for_this_ones(kernel):
    times = f"S 2 {'0 ' * 9}%d {'0 ' * 37}"
    observer, memory = CostObserver(Tree(kernel)), host_memory(Tree(kernel))
    seen = []
    for pid, ticks, cpu_ticks in [
        (70, 100, 1000),
        (70, 110, 1100),
        (70, 160, 1200),
        (71, 900, 1300),
        (71, 960, 1400),
    ]:
        kernel.files[f"proc/{pid}/stat"] = f"{pid} (kdamond.0) {times % ticks}"
        kernel.files["proc/stat"] = f"cpu {cpu_ticks} 0 0 5 7 0 0 0 0 0\n"
        seen.append(observer.look(pid, memory).competing_us // TICK_US)
    assert seen == [0, 10, 60, 60, 120]
