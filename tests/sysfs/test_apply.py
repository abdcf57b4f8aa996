"""New schemes reach the kernel with the fewest writes, whole or not at all."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from damon_tuner.errors import DamonBusyError, KernelRejectedError, TargetGoneError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Quota,
    Scheme,
    WatermarkMetric,
    Watermarks,
)

from .fake_kernel import PID, SCHEMES, STATE, Fault, failure

PAGEOUT = Scheme(Action.PAGEOUT, AccessPattern(max_nr_accesses=0, min_age=30))
LIMITED = replace(PAGEOUT, quota=Quota(sz_bytes=1 << 20, reset_interval_ms=1000))
COLDER = replace(PAGEOUT, pattern=AccessPattern(max_nr_accesses=0, min_age=60))
WATCHED = replace(PAGEOUT, watermarks=Watermarks(WatermarkMetric.FREE_MEM_RATE, 1, 500, 400, 200))
STAT = Scheme(Action.STAT, AccessPattern(min_nr_accesses=1))


@pytest.fixture
def host(kernel, make_host):
    host = make_host()
    host.start([PAGEOUT])
    kernel.writes.clear()
    return host


def running(kernel) -> list[tuple[str, str]]:
    """The action and least age of each scheme that the kernel runs."""
    count = int(kernel.committed["schemes/nr_schemes"])
    return [
        (
            kernel.committed[f"schemes/{index}/action"],
            kernel.committed[f"schemes/{index}/access_pattern/age/min"],
        )
        for index in range(count)
    ]


def test_the_same_schemes_cost_nothing(kernel, host):
    host.apply([PAGEOUT])
    assert kernel.writes == []


@pytest.mark.parametrize(
    ("new", "files"),
    [
        (COLDER, {"access_pattern/age/min": "60"}),
        (LIMITED, {"quotas/bytes": "1048576", "quotas/reset_interval_ms": "1000"}),
        (replace(PAGEOUT, action=Action.STAT), {"action": "stat"}),
        (
            WATCHED,
            {
                "watermarks/metric": "free_mem_rate",
                "watermarks/interval_us": "1",
                "watermarks/high": "500",
                "watermarks/mid": "400",
                "watermarks/low": "200",
            },
        ),
    ],
)
def test_only_the_changed_files_are_written_and_committed_once(kernel, host, new, files):
    host.apply([new])
    changed = [(f"{SCHEMES}/0/{path}", text) for path, text in files.items()]
    assert kernel.writes == [*changed, (STATE, "commit")]
    assert all(kernel.committed[f"schemes/0/{path}"] == text for path, text in files.items())


def test_values_that_come_too_fast_reach_the_kernel_while_time_passes(kernel, host):
    host.apply([LIMITED])
    kernel.clock_us += 200_000
    looser = replace(LIMITED, quota=replace(LIMITED.quota, sz_bytes=5))
    host.apply([looser])
    assert kernel.committed["schemes/0/quotas/bytes"] == "1048576"
    host.advance(2.0)
    assert kernel.committed["schemes/0/quotas/bytes"] == "5"
    assert kernel.clock_us == 2_200_000


def test_values_that_cannot_wait_do_not(kernel, host):
    host.apply([LIMITED])
    host.apply([replace(LIMITED, quota=replace(LIMITED.quota, sz_bytes=5))], is_urgent=True)
    assert kernel.committed["schemes/0/quotas/bytes"] == "5"


def test_another_number_of_schemes_reaches_the_kernel(kernel, host):
    host.apply([COLDER, STAT])
    assert running(kernel) == [("pageout", "60"), ("stat", "0"), ("stat", "0")]
    host.apply([])
    assert running(kernel) == [("stat", "0")]


def test_a_new_scheme_begins_with_statistics_of_its_own(kernel, host):
    kernel.stats = [{"stats/nr_tried": "5"}, {"stats/nr_tried": "900"}]
    host.apply([PAGEOUT, STAT])
    assert [stats.nr_tried for stats in host.snapshot().scheme_stats] == [5, 0]


def test_the_observer_shows_the_regions_after_every_change(kernel, host):
    for schemes in ([], [PAGEOUT, STAT], [STAT], [PAGEOUT, LIMITED, STAT]):
        host.apply(schemes)
        assert host.snapshot().regions == tuple(kernel.regions)
        assert len(host.snapshot().scheme_stats) == len(schemes)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOMEM])
@pytest.mark.parametrize("schemes", [[LIMITED], [], [COLDER, STAT]], ids=["same", "less", "more"])
def test_a_rejected_change_leaves_the_old_schemes_running(kernel, host, schemes, number):
    committed, staged = dict(kernel.committed), kernel.sysfs
    for nth in range(1, 100):
        kernel.write_faults = [Fault("", failure(number), nth)]
        try:
            host.apply(schemes)
        except KernelRejectedError as error:
            assert "refused to write" in str(error)
        else:
            break
        kernel.write_faults = []
        assert kernel.committed == committed, f"write {nth}"
        assert kernel.sysfs == staged, f"write {nth}"
        host.apply([PAGEOUT])
        assert host.snapshot().regions == tuple(kernel.regions)
    assert nth > 2


def test_a_rejected_commit_names_what_was_staged(kernel, host):
    kernel.write_faults = [Fault(STATE, failure(errno.EINVAL), text="commit")]
    with pytest.raises(KernelRejectedError, match=r"EINVAL.*quotas/bytes=1048576"):
        host.apply([LIMITED])


def test_a_change_works_after_a_rejected_one(kernel, host):
    kernel.write_faults = [Fault(STATE, failure(errno.EINVAL), text="commit")]
    with pytest.raises(KernelRejectedError):
        host.apply([LIMITED])
    host.apply([COLDER])
    assert running(kernel)[0] == ("pageout", "60")
    assert kernel.committed["schemes/0/quotas/bytes"] == "0"


def test_schemes_that_do_not_come_back_are_reported_and_can_be_applied(kernel, host):
    # The commit that drops the observer works, and every later one fails.
    kernel.write_faults = [Fault(STATE, failure(errno.EINVAL), 2, 2, "commit")]
    with pytest.raises(KernelRejectedError, match="did not come back"):
        host.apply([PAGEOUT, STAT])
    with pytest.raises(KernelRejectedError, match="apply them again"):
        host.snapshot()
    host.apply([PAGEOUT])
    assert host.snapshot().regions == tuple(kernel.regions)


@pytest.mark.parametrize("suffix", [STATE, "quotas/bytes", "nr_schemes"])
def test_a_taken_lock_is_waited_for(kernel, host, suffix):
    kernel.write_faults = [Fault(suffix, failure(errno.EBUSY), times=5)]
    host.apply([LIMITED, STAT])
    assert kernel.committed["schemes/0/quotas/bytes"] == "1048576"
    pauses = [seconds for seconds, _ in kernel.waits]
    assert pauses == sorted(pauses)
    assert len(pauses) == 5


def test_a_lock_that_is_never_free_is_given_up_at_the_deadline(kernel, make_host):
    host = make_host(busy_timeout_s=3.0)
    host.start([PAGEOUT])
    begun_us = kernel.clock_us
    kernel.write_faults = [Fault(STATE, failure(errno.EBUSY), times=10**6)]
    with pytest.raises(DamonBusyError, match="busy for 3 s"):
        host.apply([LIMITED])
    assert 3_000_000 <= kernel.clock_us - begun_us < 3_200_000
    kernel.write_faults = []
    host.apply([LIMITED])
    assert kernel.committed["schemes/0/quotas/bytes"] == "1048576"


@pytest.mark.parametrize("reaped", [True, False], ids=["gone", "zombie"])
def test_a_process_that_has_exited(kernel, host, reaped):
    kernel.kill(PID, reaped=reaped)
    with pytest.raises(TargetGoneError, match=f"process {PID}"):
        host.apply([LIMITED])


def test_a_process_that_exits_between_the_check_and_the_commit(kernel, host):
    def kill_at_commit(path: str, text: str) -> None:
        if text == "commit":
            kernel.kill(PID)

    kernel.before_write = kill_at_commit
    with pytest.raises(TargetGoneError, match=f"process {PID}"):
        host.apply([LIMITED])


def test_a_worker_that_somebody_else_switched_off(kernel, host):
    kernel.end_kdamond()
    with pytest.raises(KernelRejectedError, match="no longer runs"):
        host.apply([LIMITED])


def test_applying_before_start_is_a_mistake(make_host):
    with pytest.raises(RuntimeError, match="call start first"):
        make_host().apply([])


@pytest.mark.parametrize("value", [-1, 2**64])
def test_a_value_that_does_not_fit_is_named_with_its_file(kernel, host, value):
    with pytest.raises(KernelRejectedError, match=f"'{value}' to /sys/.*/0/quotas/bytes"):
        host.apply([replace(PAGEOUT, quota=Quota(sz_bytes=value))])
    assert kernel.files[f"{SCHEMES}/0/quotas/bytes"] == "0"


def test_a_quota_that_is_taken_away_becomes_one_that_cannot_be_reached(kernel, host):
    """Linux 6.18 never looks again at the quota of a scheme that has no limit any more."""
    host.apply([LIMITED], is_urgent=True)
    for schemes in ([PAGEOUT], [COLDER]):
        host.apply(schemes, is_urgent=True)
        assert int(kernel.committed["schemes/0/quotas/bytes"]) >= 1 << 60
        assert kernel.committed["schemes/0/quotas/reset_interval_ms"] == "1000"
    host.apply([], is_urgent=True)
    # a scheme that takes the place of one that is gone never had a limit
    host.apply([PAGEOUT], is_urgent=True)
    assert kernel.committed["schemes/0/quotas/bytes"] == "0"
