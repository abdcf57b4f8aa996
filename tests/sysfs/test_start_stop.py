"""Starting takes DAMON, stopping gives it back, whatever goes wrong in between."""

from __future__ import annotations

import errno

import pytest

from damon_tuner.errors import (
    DamonMissingError,
    KernelRejectedError,
    NotRestoredError,
    TargetGoneError,
)
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Intervals,
    MonitoringAttrs,
    Operations,
    Scheme,
)

from .fake_kernel import CONTEXT, NR_KDAMONDS, PID, STATE, Fault, failure

DAMON_STAT = "sys/module/damon_stat/parameters/enabled"
PAGEOUT = Scheme(Action.PAGEOUT, AccessPattern(max_nr_accesses=0, min_age=30))

CONTEXTS = pytest.mark.parametrize(
    "context",
    [Context(pid=PID), Context(Operations.PADDR), Context(Operations.PADDR, ranges=((0, 4096),))],
    ids=["vaddr", "paddr", "ranges"],
)


def count_start_writes(kernel, host) -> int:
    host.start([PAGEOUT])
    count = len(kernel.writes)
    host.stop()
    return count


@CONTEXTS
@pytest.mark.parametrize("stat_enabled", ["Y", "N"])
def test_stop_leaves_everything_as_found(kernel, make_host, context, stat_enabled):
    kernel.files[DAMON_STAT] = stat_enabled
    found = kernel.sysfs
    host = make_host(context)
    host.start([PAGEOUT])
    assert kernel.running
    assert kernel.files[DAMON_STAT] == "N"
    host.stop()
    assert kernel.sysfs == found
    assert not kernel.running


def test_stop_is_idempotent_and_needs_no_start(kernel, make_host):
    found = kernel.sysfs
    host = make_host()
    host.stop()
    host.start([])
    host.stop()
    writes = len(kernel.writes)
    host.stop()
    assert kernel.sysfs == found
    assert len(kernel.writes) == writes


def test_a_host_starts_again_after_stop(kernel, make_host):
    host = make_host()
    for _ in range(2):
        host.start([PAGEOUT])
        assert kernel.running
        host.stop()


def test_starting_twice_is_a_mistake_and_harms_nothing(kernel, make_host):
    host = make_host()
    host.start([])
    with pytest.raises(RuntimeError, match="call stop first"):
        host.start([])
    assert kernel.running


def test_leaving_the_context_manager_stops(kernel, make_host):
    found = kernel.sysfs
    with pytest.raises(ZeroDivisionError), make_host() as host:
        host.start([])
        raise ZeroDivisionError
    assert kernel.sysfs == found


def test_what_the_kernel_runs_is_what_was_asked_and_an_observer_last(kernel, make_host):
    attrs = MonitoringAttrs(Intervals(1_000, 20_000, 30_000_000), 20, 500)
    make_host(Context(pid=PID, attrs=attrs)).start([PAGEOUT])
    committed = kernel.committed
    assert committed["operations"] == "vaddr"
    assert committed["targets/nr_targets"] == "1"
    assert committed["targets/0/pid_target"] == str(PID)
    assert committed["monitoring_attrs/intervals/sample_us"] == "1000"
    assert committed["monitoring_attrs/intervals/aggr_us"] == "20000"
    assert committed["monitoring_attrs/intervals/update_us"] == "30000000"
    assert committed["monitoring_attrs/nr_regions/min"] == "20"
    assert committed["monitoring_attrs/nr_regions/max"] == "500"
    assert committed["schemes/nr_schemes"] == "2"
    assert committed["schemes/0/action"] == "pageout"
    assert committed["schemes/0/access_pattern/age/min"] == "30"
    assert committed["schemes/1/action"] == "stat"
    assert committed["schemes/1/access_pattern/sz/max"] == str(2**64 - 1)


def test_paddr_monitors_each_range_of_system_ram_and_no_hole(kernel, make_host):
    make_host(Context(Operations.PADDR)).start([])
    regions = f"{CONTEXT}/targets/0/regions"
    ranges = [
        (int(kernel.files[f"{regions}/{i}/start"]), int(kernel.files[f"{regions}/{i}/end"]))
        for i in range(int(kernel.files[f"{regions}/nr_regions"]))
    ]
    assert ranges == [(0x1000, 0x9F000), (0x100000, 0x7FFE0000), (0x100000000, 0x140000000)]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOMEM, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("stat_enabled", ["Y", "N"])
@CONTEXTS
def test_a_failure_at_any_write_of_start_is_rolled_back(
    kernel, make_host, context, stat_enabled, number
):
    kernel.files[DAMON_STAT] = stat_enabled
    found = kernel.sysfs
    for nth in range(1, count_start_writes(kernel, make_host(context)) + 1):
        kernel.write_faults = [Fault("", failure(number), nth)]
        with pytest.raises(Exception) as caught:
            make_host(context).start([PAGEOUT])
        kernel.write_faults = []
        assert "refused" in str(caught.value) or "run as root" in str(caught.value)
        assert kernel.sysfs == found, f"write {nth}"


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_an_interrupt_at_any_write_of_start_is_rolled_back(kernel, make_host, done):
    kernel.files[DAMON_STAT] = "Y"
    found = kernel.sysfs
    for nth in range(1, count_start_writes(kernel, make_host()) + 1):
        if done:
            interrupt_after_write(kernel, nth)
        else:
            kernel.write_faults = [Fault("", KeyboardInterrupt(), nth)]
        with pytest.raises(KeyboardInterrupt):
            make_host().start([PAGEOUT])
        assert kernel.sysfs == found, f"write {nth}"


def interrupt_after_write(kernel, nth: int) -> None:
    """The signal comes when the system call has done its work, before Python goes on."""
    first = len(kernel.writes)
    store = type(kernel)._store

    def interrupted(path: str, text: str) -> None:
        store(kernel, path, text)
        if len(kernel.writes) - first == nth:
            raise KeyboardInterrupt

    kernel._store = interrupted


def test_an_interrupt_at_any_read_of_start_is_rolled_back(kernel, make_host):
    kernel.files[DAMON_STAT] = "Y"
    found = kernel.sysfs
    for nth in range(1, 100):
        kernel.read_faults = [Fault("", KeyboardInterrupt(), nth)]
        try:
            make_host().start([])
        except KeyboardInterrupt:
            assert kernel.sysfs == found, f"read {nth}"
        else:
            break
    assert nth > 8


def test_a_refused_context_is_named(kernel, make_host):
    attrs = MonitoringAttrs(Intervals(sample_us=200_000))
    with pytest.raises(KernelRejectedError, match=r"'on'.*EINVAL.*sample_us=200000"):
        make_host(Context(pid=PID, attrs=attrs)).start([])


@pytest.mark.parametrize(
    ("suffix", "advice"),
    [
        ("tried_regions/total_bytes", "tried_regions.*Linux 6.2"),
        ("quotas/effective_bytes", "effective_bytes.*Linux 6.9"),
    ],
)
def test_an_old_kernel_is_refused_with_the_release_that_is_needed(
    kernel, make_host, monkeypatch, suffix, advice
):
    found = kernel.sysfs
    populate = kernel._populate

    def populate_old(*arguments):
        populate(*arguments)
        for path in [path for path in kernel.files if path.endswith(suffix)]:
            del kernel.files[path]

    monkeypatch.setattr(kernel, "_populate", populate_old)
    with pytest.raises(DamonMissingError, match=advice):
        make_host().start([])
    assert kernel.sysfs == found


def test_missing_operations_name_the_option_to_build(kernel, make_host):
    populate = kernel._populate

    def populate_without_paddr(*arguments):
        populate(*arguments)
        if f"{CONTEXT}/avail_operations" in kernel.files:
            kernel.files[f"{CONTEXT}/avail_operations"] = "vaddr"

    kernel._populate = populate_without_paddr
    with pytest.raises(DamonMissingError, match="CONFIG_DAMON_PADDR"):
        make_host(Context(Operations.PADDR)).start([])


def test_what_cannot_be_put_back_is_named_with_the_commands(kernel, make_host):
    kernel.files[DAMON_STAT] = "Y"
    found = kernel.sysfs
    host = make_host(busy_timeout_s=1.0)
    host.start([])
    kernel.write_faults = [Fault(STATE, failure(errno.EIO), times=1000, text="off")]
    with pytest.raises(NotRestoredError) as caught:
        host.stop()
    message = str(caught.value)
    steps = [
        f"echo off > /{STATE}",
        f"echo 0 > /{NR_KDAMONDS}",
        f"echo Y > /{DAMON_STAT}",
    ]
    assert "; ".join(steps) in message
    kernel.write_faults = []
    host.stop()
    assert kernel.sysfs == found


def test_a_start_that_cannot_be_rolled_back_tells_both(kernel, make_host):
    kernel.files[DAMON_STAT] = "Y"
    kernel.write_faults = [
        Fault(STATE, failure(errno.EINVAL), text="on"),
        Fault(DAMON_STAT, failure(errno.EIO), text="Y"),
    ]
    with pytest.raises(NotRestoredError) as caught:
        make_host().start([])
    assert "'on'" in str(caught.value)
    assert f"echo Y > /{DAMON_STAT}" in str(caught.value)


def test_what_somebody_else_set_up_meanwhile_is_left_to_them(kernel, make_host):
    host = make_host()
    host.start([])
    kernel.end_kdamond()
    kernel.write(NR_KDAMONDS, "3")
    with pytest.raises(NotRestoredError, match=r"left alone.*was 0, now 3"):
        host.stop()
    assert kernel.files[NR_KDAMONDS] == "3"
    host.stop()


@pytest.mark.parametrize("reaped", [True, False], ids=["gone", "zombie"])
def test_stop_restores_after_the_process_has_exited(kernel, make_host, reaped):
    kernel.files[DAMON_STAT] = "Y"
    found = kernel.sysfs
    host = make_host()
    host.start([PAGEOUT])
    kernel.kill(PID, reaped=reaped)
    with pytest.raises(TargetGoneError):
        host.snapshot()
    host.stop()
    assert kernel.sysfs == found


def test_a_kdamond_that_ends_while_it_is_switched_off_is_off(kernel, make_host):
    """Linux 7.0 answers EPERM then; what counts is that it is off."""
    host = make_host()
    host.start([])

    def ends(path: str, text: str) -> None:
        if path == STATE and text == "off":
            kernel.end_kdamond()
            raise failure(errno.EPERM)

    kernel.before_write = ends
    host.stop()
    assert kernel.files[NR_KDAMONDS] == "0"
