"""Whatever somebody else changes of DAMON meanwhile is noticed, named and left alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from damon_tuner.errors import NotRestoredError, TakenOverError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    KdamondSpec,
    Quota,
    Scheme,
    Target,
)
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .fake_kernel import KDAMOND, NR_KDAMONDS, PID, SCHEMES, STATE, FakeKernel

PAGEOUT = Scheme(
    Action.PAGEOUT,
    AccessPattern(max_nr_accesses=0, min_age=30),
    Quota(sz_bytes=1 << 20, reset_interval_ms=1_000),
)
MakeHost = Callable[..., SysfsHost]


def restarted(kernel: FakeKernel) -> None:
    kernel.files[f"{KDAMOND}/pid"] = "555"


def more_of_them(kernel: FakeKernel) -> None:
    kernel.write(STATE, "off")
    kernel.write(NR_KDAMONDS, "2")


def set_up_anew(kernel: FakeKernel) -> None:
    kernel.write(STATE, "off")
    kernel.write(NR_KDAMONDS, "1")
    kernel.write(f"{KDAMOND}/contexts/nr_contexts", "1")


@pytest.mark.parametrize("take", [restarted, more_of_them, set_up_anew])
def test_kdamonds_of_somebody_else_end_the_run(
    kernel: FakeKernel, make_host: MakeHost, take: Callable[[FakeKernel], None]
) -> None:
    host = make_host()
    host.start([PAGEOUT])
    take(kernel)
    theirs = kernel.sysfs
    for step in (host.snapshot, lambda: host.apply([])):
        with pytest.raises(TakenOverError, match="somebody else has changed DAMON"):
            step()
    with pytest.raises(NotRestoredError, match="left alone"):
        host.stop()
    assert kernel.sysfs == theirs


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("0/action", "cold"),
        ("0/access_pattern/age/min", "7"),
        ("0/quotas/bytes", "4096"),
        ("0/stats/max_nr_snapshots", "9"),
        ("nr_schemes", "1"),
    ],
)
def test_schemes_that_somebody_else_staged_are_not_committed(
    kernel: FakeKernel, make_host: MakeHost, file: str, text: str
) -> None:
    found = kernel.sysfs
    host = make_host()
    host.start([PAGEOUT])
    kernel.write(f"{SCHEMES}/{file}", text)
    commits = len(kernel.commits)
    with pytest.raises(TakenOverError, match=file.rpartition("/")[2]):
        host.apply([Scheme(Action.COLD)])
    assert len(kernel.commits) == commits
    host.stop()  # the kdamond is still ours
    assert kernel.sysfs == found


def test_our_own_changes_are_not_taken_for_somebody_elses(
    kernel: FakeKernel, make_host: MakeHost
) -> None:
    host = make_host()
    host.start([])
    for schemes in ([PAGEOUT], [PAGEOUT, PAGEOUT], [], [replace(PAGEOUT, quota=Quota())]):
        host.apply(schemes, is_urgent=True)
        host.snapshot()


def test_another_target_is_still_ours_when_the_kdamond_has_ended(kernel: FakeKernel) -> None:
    found = kernel.sysfs
    kernel.spawn(7)
    kernel.spawn(os.getpid())
    ledger = Ledger(Tree(kernel))
    damon = Damon(Tree(kernel), ledger)
    damon.start([KdamondSpec(Context(pid=PID))])
    damon.apply([KdamondSpec(Context(targets=(Target(7),)))])
    kernel.kill(7)
    damon.require_ours()
    ledger.restore()
    assert kernel.sysfs == found


def walks(kernel: FakeKernel, count: int) -> None:
    kernel.kdamonds[0].stats[0]["stats/nr_snapshots"] = str(count)


def granted(kernel: FakeKernel) -> int:
    return int(kernel.kdamonds[0].committed["schemes/0/stats/max_nr_snapshots"])


def test_a_host_renews_its_lease_with_one_file_and_one_commit(
    kernel: FakeKernel, make_host: MakeHost
) -> None:
    host = make_host(lease_s=60.0)
    host.start([PAGEOUT])
    assert granted(kernel) == 600
    renewals = []
    for step in range(1, 25):
        host.advance(5.0)
        walks(kernel, step * 50)
        host.snapshot()
        writes = len(kernel.writes)
        host.apply([PAGEOUT])
        renewals += [kernel.writes[writes:]] if len(kernel.writes) > writes else []
        assert granted(kernel) - step * 50 >= 300
    assert len(renewals) <= 7
    for made in renewals:
        assert [path.rpartition("/")[2] for path, _ in made] == ["max_nr_snapshots", "state"]


def test_a_host_that_only_looks_renews_too(kernel: FakeKernel, make_host: MakeHost) -> None:
    host = make_host(lease_s=60.0)
    host.start([PAGEOUT])
    for step in range(1, 25):
        host.advance(5.0)
        walks(kernel, step * 50)
        host.snapshot()
        assert granted(kernel) > step * 50


def test_before_linux_7_0_there_is_no_lease() -> None:
    kernel = FakeKernel(version="6.18")
    with SysfsHost(Context(pid=PID), kernel=kernel, lease_s=60.0) as host:
        host.start([PAGEOUT])
        host.snapshot()
        host.apply([PAGEOUT])
        assert kernel.running


def test_without_being_asked_for_there_is_no_lease(
    kernel: FakeKernel, make_host: MakeHost
) -> None:
    make_host().start([PAGEOUT])
    assert granted(kernel) == 0


def held_back(make_host: MakeHost) -> SysfsHost:
    host = make_host()
    host.start([PAGEOUT])
    host.apply([replace(PAGEOUT, quota=replace(PAGEOUT.quota, sz_bytes=2 << 20))])
    host.apply([replace(PAGEOUT, quota=replace(PAGEOUT.quota, sz_bytes=3 << 20))])
    return host


@pytest.mark.parametrize("take", [restarted, more_of_them, set_up_anew])
def test_what_was_held_back_does_not_reach_somebody_elses_kdamonds(
    kernel: FakeKernel, make_host: MakeHost, take: Callable[[FakeKernel], None]
) -> None:
    host = held_back(make_host)
    take(kernel)
    writes = len(kernel.writes)
    with pytest.raises(TakenOverError, match="somebody else has changed DAMON"):
        host.advance(5.0)
    assert len(kernel.writes) == writes


def test_what_was_held_back_does_not_bring_what_somebody_else_staged(
    kernel: FakeKernel, make_host: MakeHost
) -> None:
    host = held_back(make_host)
    kernel.write(f"{SCHEMES}/0/access_pattern/age/min", "7")
    kernel.clock_us += 5_000_000
    commits = len(kernel.commits)
    with pytest.raises(TakenOverError, match="age/min"):
        host.snapshot()
    assert len(kernel.commits) == commits


def test_a_renewal_does_not_bring_what_somebody_else_staged(
    kernel: FakeKernel, make_host: MakeHost
) -> None:
    host = make_host(lease_s=60.0)
    host.start([PAGEOUT])
    host.snapshot()
    kernel.write(f"{SCHEMES}/0/access_pattern/age/min", "7")
    kernel.clock_us += 50_000_000
    commits = len(kernel.commits)
    with pytest.raises(TakenOverError, match="age/min"):
        host.snapshot()
    assert len(kernel.commits) == commits


def test_a_change_that_falls_due_while_the_clock_is_read_is_not_waited_for(
    kernel: FakeKernel, make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A negative wait for a process has no end, and one without is a ``ValueError``."""
    host = held_back(make_host)
    due_us = kernel.clock_us + PAGEOUT.quota.reset_interval_ms * 1_000
    kernel.clock_us = due_us - 1

    def later() -> int:
        kernel.clock_us += 1_000 if kernel.clock_us >= due_us - 1 and later.armed else 0
        return kernel.clock_us

    later.armed = False
    flush = Damon.flush

    def then_time_passes(damon: Damon) -> int | None:
        due = flush(damon)
        later.armed = True
        return due

    monkeypatch.setattr(kernel, "now_us", later)
    monkeypatch.setattr(Damon, "flush", then_time_passes)
    host.advance(5.0)
    assert all(seconds >= 0 for seconds, _ in kernel.waits)
