"""What cannot be given back at once is not forgotten, whatever the daemon is told meanwhile."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from ..sysfs.fake_kdamond import failure
from ..sysfs.fake_kernel import ADMIN, NR_KDAMONDS, PID
from .fake_host import Daemon, FakeHost

OTHER = 5000
ONE = f"[tenants.web]\npid = {PID}\n"
TWO = f"{ONE}[tenants.db]\npid = {OTHER}\n"
ACT = 'mode = "act"\nlog = "json"\n'


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.spawn(OTHER)
    return host


@pytest.fixture
def daemon(tmp_path: Path, host: FakeHost) -> Daemon:
    return Daemon(tmp_path, host, ACT + TWO)


def stubborn(host: FakeHost, number: int = errno.EBUSY) -> None:
    """No kdamond can be switched off any more."""

    def refuse(path: str, text: str) -> None:
        if path.endswith("/state") and text == "off":
            raise failure(number)

    host.before_write = refuse


def willing(host: FakeHost) -> None:
    host.before_write = lambda path, text: None


def reload(daemon: Daemon, text: str) -> None:
    daemon.configure(text)
    os.kill(os.getpid(), signal.SIGHUP)


def on(host: FakeHost) -> list[str]:
    states = (f"{ADMIN}/kdamonds/{slot}/state" for slot in range(8))
    return [path for path in states if host.files.get(path) == "on"]


def test_a_pause_that_could_not_give_back_goes_on_trying(daemon, host):
    before, seen = host.sysfs, []
    service = daemon.service()
    daemon.after(11.0, lambda: stubborn(host))
    daemon.after(12.0, lambda: seen.append(service._answer("pause")["reason"]))
    daemon.after(30.0, lambda: seen.append(len(on(host))))
    daemon.after(31.0, lambda: willing(host))
    daemon.after(50.0, lambda: seen.append((host.sysfs == before, service.status().reason)))
    daemon.run(60.0, service)
    assert "not given back yet" in seen[0]
    assert seen[1] == 2
    assert seen[2] == (True, "until damon-tuner resume")
    assert not any("paused: until" in line for line in daemon.lines)


def test_resumed_before_it_could_give_back_it_first_gives_back(daemon, host):
    service, seen = daemon.service(), []
    daemon.after(11.0, lambda: stubborn(host))
    daemon.after(12.0, lambda: service._answer("pause"))
    daemon.after(20.0, lambda: service._answer("resume"))
    daemon.after(30.0, lambda: seen.append((service.status().phase, service.status().reason)))
    daemon.after(31.0, lambda: willing(host))
    daemon.after(60.0, lambda: seen.append(service.status().phase))
    daemon.run(70.0, service)
    assert seen[0][0] == "idle"
    assert "not given back yet" in seen[0][1]
    assert seen[1] == "managing"
    assert host.files[NR_KDAMONDS] == "0"


def test_after_somebody_elses_kdamonds_it_can_be_resumed(daemon, host):
    def taken_over() -> None:
        for slot in (0, 1):
            host.write(f"{ADMIN}/kdamonds/{slot}/state", "off")
        host.write(NR_KDAMONDS, "1")
        host.write(f"{ADMIN}/kdamonds/0/contexts/nr_contexts", "1")
        host.write(f"{ADMIN}/kdamonds/0/state", "on")
        host.files[f"{ADMIN}/kdamonds/0/pid"] = "4711"

    def finished() -> None:
        host.write(f"{ADMIN}/kdamonds/0/state", "off")
        host.write(NR_KDAMONDS, "0")

    service, seen = daemon.service(), []
    daemon.after(11.0, taken_over)
    daemon.after(30.0, lambda: seen.append(service.status().phase))
    daemon.after(31.0, finished)
    daemon.after(32.0, lambda: service._answer("resume"))
    daemon.after(60.0, lambda: seen.append(service.status().phase))
    daemon.run(70.0, service)
    assert seen == ["stood down", "managing"]
    assert host.files[NR_KDAMONDS] == "0"


def test_a_tenant_that_cannot_be_ended_leaves_nothing_running_unguarded(daemon, host):
    service, seen = daemon.service(), []
    daemon.after(11.0, lambda: stubborn(host, errno.EIO))
    daemon.after(12.0, lambda: reload(daemon, ACT + ONE))
    daemon.after(60.0, lambda: seen.append(service.status().phase))
    daemon.after(61.0, lambda: willing(host))
    daemon.after(80.0, lambda: seen.append((service.status().phase, on(host))))
    daemon.run(90.0, service)
    assert seen == ["stood down", ("stood down", [])]


def test_many_that_leave_in_one_busy_round_are_asked_again_in_the_next(tmp_path, host):
    for number in range(4):
        host.spawn(6000 + number)
    tenants = "".join(f"[tenants.t{n}]\npid = {6000 + n}\n" for n in range(4))
    daemon = Daemon(tmp_path, host, ACT + ONE + tenants)
    service, seen = daemon.service(), []
    daemon.after(11.0, lambda: stubborn(host))
    daemon.after(12.0, lambda: reload(daemon, ACT + ONE))
    daemon.after(23.5, lambda: willing(host))
    daemon.after(60.0, lambda: seen.append((service.status().phase, len(on(host)))))
    daemon.run(70.0, service)
    assert seen == [("managing", 1)]


def test_a_reload_that_needs_all_given_back_is_refused_when_that_fails(daemon, host):
    before, seen = host.sysfs, []
    service = daemon.service()
    daemon.after(11.0, lambda: stubborn(host))
    daemon.after(12.0, lambda: reload(daemon, ACT + "max_tenants = 2\n" + TWO))
    daemon.after(40.0, lambda: willing(host))
    daemon.after(70.0, lambda: seen.append((service.status().phase, host.files[NR_KDAMONDS])))
    daemon.run(80.0, service)
    assert any("not reloaded" in line for line in daemon.lines)
    assert seen == [("managing", "8")]
    assert host.sysfs == before


def test_a_reload_that_finds_a_tenant_taken_over_stands_down_once(daemon, host):
    path = f"{ADMIN}/kdamonds/0/contexts/0/schemes/0/quotas/bytes"
    service = daemon.service()
    daemon.after(11.0, lambda: host.write(path, "77"))
    daemon.after(11.5, lambda: reload(daemon, 'log = "json"\n' + TWO))
    before = host.sysfs
    daemon.run(40.0, service)
    assert sum("standing down" in line for line in daemon.lines) == 1
    assert service.status().reloads <= 1
    assert host.sysfs == before


def test_a_hold_outlives_a_pause(daemon, host):
    service, seen = daemon.service(), []
    free = host.files["proc/meminfo"]

    def full() -> None:
        host.files["proc/meminfo"] = free.replace("SwapFree: 500000", "SwapFree: 1000")

    daemon.after(11.0, full)
    daemon.after(60.0, lambda: host.files.update({"proc/meminfo": free}))
    daemon.after(61.0, lambda: service._answer("pause"))
    daemon.after(62.0, lambda: service._answer("resume"))
    daemon.after(68.0, lambda: seen.append(service.status().tenants[0].phase))
    daemon.run(70.0, service)
    assert seen == ["holding"]


def test_a_reload_takes_up_the_cost_of_a_fault_and_the_length_of_leases(daemon, host):
    service, seen = daemon.service(), []

    def costs_us() -> list[object]:
        return [(d["swap_in_us"], d["disk_in_us"]) for d in daemon.decisions()][-2:]

    daemon.after(11.0, lambda: reload(daemon, ACT + 'interval = "30s"\n' + TWO))
    daemon.after(
        12.0,
        lambda: daemon.config.write_text(
            daemon.config.read_text().replace('"20us"', '"300us"\ndisk_in = "2ms"')
        ),
    )
    daemon.after(13.0, lambda: os.kill(os.getpid(), signal.SIGHUP))
    daemon.after(100.0, lambda: seen.append(costs_us()))
    daemon.run(110.0, service)
    assert seen == [[(300.0, 2000.0)] * 2]
    # where only the one is named, it is the other as well
    assert daemon.decisions()[0]["disk_in_us"] == 0.0


def test_who_asks_to_stop_after_a_reload_is_heard(daemon, host):
    """Both signals in the midst of what must not be cut short."""

    def both() -> None:
        if daemon.lines and daemon.lines[-1].startswith("{"):
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)

    before = host.sysfs
    host.before_write = lambda path, text: both() if host.clock_us > 11e6 else None
    daemon.run(10_000.0)
    assert host.clock_us < 60e6
    assert host.sysfs == before
