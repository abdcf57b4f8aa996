"""Several tenants share one session: they come and go, and none disturbs another."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from damon_tuner.errors import (
    KernelRejectedError,
    NotRestoredError,
    TakenOverError,
    TargetGoneError,
    TunerError,
)
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Operations,
    Quota,
    Scheme,
    Target,
)
from damon_tuner.kernel_iface.sysfs.restore import restore
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost

from .fake_kdamond import failure
from .fake_kernel import ADMIN, PID, FakeKernel, Fault

OTHERS = (5001, 5002, 5003)
COLD = Scheme(
    Action.PAGEOUT,
    AccessPattern(max_nr_accesses=0, min_age=30),
    Quota(sz_bytes=1 << 20, reset_interval_ms=1_000),
)
STATES = [f"{ADMIN}/kdamonds/{slot}/state" for slot in range(3)]


def with_processes() -> FakeKernel:
    kernel = FakeKernel()
    for pid in (*OTHERS, os.getpid()):
        kernel.spawn(pid)
    return kernel


@pytest.fixture
def kernel() -> FakeKernel:
    return with_processes()


@pytest.fixture
def session(kernel: FakeKernel, tmp_path: Path) -> Session:
    return Session(3, kernel=kernel, state_dir=tmp_path / "state")


def managed(session: Session, *pids: int, schemes: tuple[Scheme, ...] = (COLD,)) -> SessionHost:
    host = SessionHost(session, Context(targets=tuple(map(Target, pids))))
    host.start(schemes)
    return host


def states(kernel: FakeKernel) -> list[str]:
    return [kernel.files.get(path, "absent") for path in STATES]


def test_tenants_come_and_go_beside_each_other(kernel, session):
    before = kernel.sysfs
    session.open()
    first, second = managed(session, PID), managed(session, OTHERS[0])
    assert states(kernel) == ["on", "on", "off"]
    kept = dict(kernel.kdamonds[1].committed)
    first.stop()
    assert states(kernel) == ["off", "on", "off"]
    third = managed(session, OTHERS[1])
    assert states(kernel) == ["on", "on", "off"]
    assert kernel.kdamonds[0].targets == [str(OTHERS[1])]
    assert kernel.kdamonds[1].committed == kept
    for host in (second, third):
        assert host.snapshot().resident_bytes == 800 << 10
    session.close()
    assert kernel.sysfs == before
    assert not kernel.locked


def test_a_place_is_used_again_with_nothing_of_the_one_before(kernel, session):
    session.open()
    managed(session, PID, schemes=(COLD, COLD)).stop()
    host = managed(session, OTHERS[0], schemes=())
    assert kernel.committed["schemes/nr_schemes"] == "1"  # the observer alone
    assert len(host.snapshot().regions) == 2


def test_there_are_no_more_places_than_were_asked_for(kernel, session):
    session.open()
    hosts = [managed(session, pid) for pid in (PID, *OTHERS[:2])]
    with pytest.raises(TunerError, match="all 3 places for tenants are taken"):
        managed(session, OTHERS[2])
    hosts[1].stop()
    managed(session, OTHERS[2])
    assert states(kernel) == ["on"] * 3


def test_what_fails_at_the_start_of_one_leaves_the_others(kernel, session):
    session.open()
    first = managed(session, PID)
    kernel.write_faults = [Fault("kdamonds/1/state", failure(errno.EINVAL), text="on")]
    with pytest.raises(KernelRejectedError):
        managed(session, OTHERS[0])
    assert states(kernel) == ["on", "off", "off"]
    first.apply([COLD], is_urgent=True)
    managed(session, OTHERS[0])
    assert states(kernel) == ["on", "on", "off"]


def test_a_tenant_that_exits_is_gone_alone(kernel, session):
    session.open()
    first, second = managed(session, PID), managed(session, OTHERS[0])
    kernel.kill(PID)
    with pytest.raises(TargetGoneError):
        first.snapshot()
    first.stop()
    assert second.snapshot().regions
    assert states(kernel) == ["off", "on", "off"]
    kernel.kill(OTHERS[0])
    second.stop()
    # nothing of ours runs any more, and it is ours all the same
    managed(session, OTHERS[1])
    session.close()
    assert kernel.files[f"{ADMIN}/kdamonds/nr_kdamonds"] == "0"


def test_processes_of_a_tenant_come_and_go(kernel, session):
    session.open()
    host = managed(session, PID, OTHERS[0])
    both = host.snapshot()
    assert both.resident_bytes == 2 * (800 << 10)
    kernel.kill(PID)
    host.retarget([OTHERS[0], OTHERS[1]])
    host.apply([COLD])
    assert kernel.kdamonds[0].targets == [str(OTHERS[0]), str(OTHERS[1])]
    after = host.snapshot()
    # what the one that is gone has spent stays, and the newcomer's past is not counted
    assert after.major_faults == both.major_faults
    assert after.resident_bytes == both.resident_bytes
    for pid in OTHERS[:2]:
        kernel.kill(pid)
    with pytest.raises(TargetGoneError):
        host.snapshot()


def test_a_process_that_exits_between_two_changes_refuses_nothing(kernel, session):
    session.open()
    host = managed(session, PID, OTHERS[0])
    kernel.kill(PID)
    host.apply([COLD])
    assert kernel.kdamonds[0].targets == [str(OTHERS[0])]


def test_what_a_newcomer_faulted_before_is_not_the_tenants(kernel, session):
    session.open()
    host = managed(session, PID)
    before = host.snapshot()
    host.retarget([PID, OTHERS[0]])
    joined = host.snapshot()
    assert joined.major_faults == before.major_faults
    assert joined.cpu_time_us == before.cpu_time_us


def test_who_switches_one_kdamond_off_and_on_is_noticed_there(kernel, session):
    session.open()
    first, second = managed(session, PID), managed(session, OTHERS[0])
    kernel.write(STATES[1], "off")
    kernel.write(STATES[1], "on")
    kernel.files[f"{ADMIN}/kdamonds/1/pid"] = "777"
    assert first.snapshot().regions
    with pytest.raises(TakenOverError, match="kdamond 1 was restarted"):
        second.snapshot()
    with pytest.raises(NotRestoredError, match="left alone"):
        session.close()
    assert states(kernel)[1] == "on"
    assert not kernel.locked


def test_somebodys_knob_is_noticed_by_the_tenant_that_it_is_of(kernel, session):
    session.open()
    first, second = managed(session, PID), managed(session, OTHERS[0])
    kernel.write(f"{ADMIN}/kdamonds/1/contexts/0/schemes/0/quotas/bytes", "7")
    first.apply([COLD], is_urgent=True)
    with pytest.raises(TakenOverError, match=r"quotas/bytes=7"):
        second.apply([COLD], is_urgent=True)


class Killed(BaseException):
    """What a SIGKILL looks like from here."""


def dies_at(kernel: FakeKernel, nth: int) -> None:
    left = [nth]

    def before_write(path: str, text: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    kernel.before_write = before_write


def come_and_go(session: Session) -> None:
    session.open()
    first = managed(session, PID)
    first.stop()
    second = managed(session, OTHERS[0], OTHERS[1])
    second.retarget([OTHERS[1], OTHERS[2]])
    second.apply([COLD])
    third = managed(session, PID)
    second.stop()
    third.apply([])


def writes_of(run: Callable[[Session], None], folder: Path) -> int:
    kernel = with_processes()
    run(Session(3, kernel=kernel, state_dir=folder))
    return len(kernel.writes)


def test_a_kill_at_any_write_leaves_what_restore_puts_back(tmp_path):
    count = writes_of(come_and_go, tmp_path / "counted")
    assert count > 100
    for nth in range(count + 1):
        kernel = with_processes()
        before, folder = kernel.sysfs, tmp_path / str(nth)
        dies_at(kernel, nth)
        session = Session(3, kernel=kernel, state_dir=folder)
        session.close = lambda: None  # a killed process puts nothing back
        try:
            come_and_go(session)
        except Killed:
            pass
        kernel.before_write = lambda path, text: None
        kernel.locked.clear()
        done = restore(kernel, folder)
        assert (done.status, kernel.sysfs == before) == (0, True), (nth, done)


def test_only_processes_can_be_retargeted(session):
    session.open()
    host = SessionHost(session, Context(Operations.PADDR))
    host.start([COLD])
    with pytest.raises(ValueError, match="no processes"):
        host.retarget([PID])
