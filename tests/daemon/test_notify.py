"""The service manager hears what it must, and silence of its own harms nobody."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from damon_tuner.daemon.notify import Notifier


class Manager:
    """What the service manager has heard so far."""

    def __init__(self, address: str) -> None:
        self.environment = {"NOTIFY_SOCKET": address}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(1 << 16).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    where = str(tmp_path / "notify")
    manager = Manager(where if request.param == "path" else f"@damon-tuner-test{where}")
    yield manager
    manager.socket.close()


def test_every_message_arrives_as_systemd_wants_it(manager: Manager) -> None:
    notifier = Notifier(manager.environment)
    notifier.ready("managing 2 tenants")
    notifier.status("line 1\nREADY=0")
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    notifier.reloading()
    notifier.ready()
    notifier.stopping("putting back")
    ready, status, reloading, again, stopping = manager.heard()
    assert ready == "READY=1\nSTATUS=managing 2 tenants"
    # a status cannot smuggle in another assignment
    assert status == "STATUS=line 1 READY=0"
    kind, stamp = reloading.split("\n")
    assert kind == "RELOADING=1"
    name, _, told_us = stamp.partition("=")
    assert name == "MONOTONIC_USEC"
    assert 0 <= int(told_us) - before_us < 60e6
    assert again == "READY=1"
    assert stopping == "STOPPING=1\nSTATUS=putting back"


def test_the_watchdog_is_fed_twice_in_its_time_and_no_more(manager: Manager) -> None:
    now_s = 100.0
    environment = manager.environment | {"WATCHDOG_USEC": "30000000"}
    notifier = Notifier(environment, clock=lambda: now_s)
    assert notifier.watchdog_interval_s == 15.0
    fed_at = []
    for _ in range(61):
        notifier.alive()
        if manager.heard() == ["WATCHDOG=1"]:
            fed_at.append(now_s)
        now_s += 1.0
    assert fed_at == [100.0, 115.0, 130.0, 145.0, 160.0]


@pytest.mark.parametrize(
    "watchdog",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": ""},
    ],
)
def test_nobody_is_fed_who_does_not_watch_this_process(
    watchdog: dict[str, str], manager: Manager
) -> None:
    notifier = Notifier(manager.environment | watchdog)
    notifier.alive()
    assert manager.heard() == []
    assert notifier.watchdog_interval_s is None


def test_the_watchdog_of_this_process_is_fed(manager: Manager) -> None:
    watchdog = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    Notifier(manager.environment | watchdog).alive()
    assert manager.heard() == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    "address", [None, "", "relative", "/nowhere/notify", "@", "/" + "x" * 200]
)
def test_without_a_manager_nothing_happens(address: str | None) -> None:
    environment = {"WATCHDOG_USEC": "1"} | ({} if address is None else {"NOTIFY_SOCKET": address})
    notifier = Notifier(environment)
    notifier.ready("up")
    notifier.alive()
    notifier.reloading()
    notifier.status("\udc80")
    notifier.stopping()


def test_a_manager_that_does_not_read_holds_nobody_up(manager: Manager) -> None:
    now_s = 0.0
    environment = manager.environment | {"WATCHDOG_USEC": "30000000"}
    notifier = Notifier(environment, clock=lambda: now_s)
    started_s = time.monotonic()
    for _ in range(5000):
        notifier.status("busy")
    notifier.alive()
    assert time.monotonic() - started_s < 10.0
    assert "WATCHDOG=1" not in manager.heard()
    # it is told as soon as it listens again
    now_s += 1.0
    notifier.alive()
    assert manager.heard() == ["WATCHDOG=1"]
