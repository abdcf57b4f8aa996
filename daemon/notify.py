"""Telling the service manager how the daemon fares: datagrams to ``$NOTIFY_SOCKET``."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

_MAX_STATUS_CHARS = 500

# What must not be lost waits for a manager that is busy; what will be told again does not.
_PATIENCE_S = 1.0


class Notifier:
    """Speaks systemd's protocol; without a service manager it does nothing.

    Nothing here raises, and nothing waits for more than a second: a daemon runs on when nobody
    listens. ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are looked up in
    ``environment``, once.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = _address(environment)
        self._clock = clock
        self._watchdog_s = _watchdog_s(environment)
        self._alive_s: float | None = None

    @property
    def watchdog_interval_s(self) -> float | None:
        """How often ``alive`` wants to be called at least; None when nobody watches."""
        return None if self._watchdog_s is None else self._watchdog_s / 2.0

    def ready(self, status: str = "") -> None:
        """Start-up, or a reload, is done."""
        self._send("READY=1", status, _PATIENCE_S)

    def reloading(self) -> None:
        """A reload begins; ``ready`` ends it."""
        # The manager tells reloads apart by this clock's time, whatever ``clock`` is in a test.
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now_us}", timeout_s=_PATIENCE_S)

    def stopping(self, status: str = "") -> None:
        """The daemon has begun to put everything back."""
        self._send("STOPPING=1", status, _PATIENCE_S)

    def status(self, text: str) -> None:
        """Say in one line what the daemon does, for ``systemctl status``."""
        self._send("", text)

    def alive(self) -> None:
        """Feed the watchdog, at most twice in its time; for every turn of the loop."""
        interval_s = self.watchdog_interval_s
        if interval_s is None:
            return
        now_s = self._clock()
        is_due = self._alive_s is None or now_s - self._alive_s >= interval_s
        if is_due and self._send("WATCHDOG=1"):
            self._alive_s = now_s

    def _send(self, message: str, status: str = "", timeout_s: float = 0.0) -> bool:
        """Tell whether the manager has been told."""
        if self._address is None:
            return False
        if status:
            message += f"\nSTATUS={' '.join(status.split())[:_MAX_STATUS_CHARS]}"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.settimeout(timeout_s)
                manager.sendto(message.strip().encode("utf-8", "replace"), self._address)
        except OSError:
            return False
        return True


def _address(environment: Mapping[str, str]) -> str | None:
    address = environment.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        return "\0" + address[1:]
    return address if address.startswith("/") else None


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """The watchdog's time, if there is one and it is this process that it watches."""
    try:
        timeout_us = int(environment["WATCHDOG_USEC"])
        pid = int(environment.get("WATCHDOG_PID", os.getpid()))
    except (KeyError, ValueError):
        return None
    return timeout_us / 1e6 if timeout_us > 0 and pid == os.getpid() else None
