"""The service: one loop that decides in time, answers who asks, and stops when it is told to."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from damon_tuner import __version__
from damon_tuner.daemon.asked_to import Asked, asked_by_signals
from damon_tuner.daemon.chooser import Trusted, no_policy, trusted_policy
from damon_tuner.daemon.config import Config, load_config
from damon_tuner.daemon.control_socket import ControlSocket
from damon_tuner.daemon.log import Log
from damon_tuner.daemon.notify import Notifier
from damon_tuner.daemon.publisher import Publisher
from damon_tuner.daemon.status import DaemonStatus, to_dict
from damon_tuner.daemon.supervisor import Supervisor
from damon_tuner.errors import NotRestoredError, TunerError
from damon_tuner.kernel_iface.sysfs.kernel import Kernel
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.swap_in import measure_disk_in_us, measure_swap_in_us

PRETRAINED = Path(__file__).parent.parent / "policies" / "pretrained" / "reclaim.safetensors"

# What a major fault costs where it cannot be measured: a slow disk, to be on the safe side.
_ASSUMED_SWAP_IN_US = 10_000.0

_LONGEST_WAIT_S = 60.0

# How long to insist when DAMON's lock is taken: the next round comes soon.
_BUSY_S = 2.0

# And when everything is to be put back, for the last time.
_PATIENCE_S = 60.0


class Service:
    """damon-tunerd, from its configuration at ``config_path``.

    ``write`` is given the log, line by line, in place of standard output. ``kernel``, where it is
    given, replaces the machine, and ``select`` the waiting, in tests.

    Raises:
        TunerError: the configuration or the host is not as it must be; nothing was changed.
    """

    def __init__(
        self,
        config_path: Path,
        *,
        state_dir: Path | None = None,
        kernel: Kernel | None = None,
        write: Callable[[str], None] | None = None,
        select: Callable[[selectors.BaseSelector, float], None] | None = None,
    ) -> None:
        self._config_path = config_path
        self._state_dir = state_dir
        self._kernel = kernel
        self._write = write or Log()
        self._notifier = Notifier()
        self._select = select or _select
        config = load_config(config_path)
        self._policy = self._first_policy(config)
        self._measured_us = config.swap_in_us or self._measured_swap_in_us()
        self._measured_disk_us = 0.0
        if not (config.swap_in_us or config.disk_in_us):
            self._measured_disk_us = measure_disk_in_us()
        self._supervisor = Supervisor(
            config,
            self._policy,
            make_session=self._new_session,
            swap_in_us=self._measured_us,
            disk_in_us=self._disk_in_us(config),
            warn=self._warn,
        )
        self._publisher = Publisher(config, write=self._write, warn=self._warn)
        self._selector = selectors.DefaultSelector()
        self._socket = ControlSocket(config.socket, self._selector, self._answer)
        self._started_unix_s, self._started_s = time.time(), self._now_s()
        self._decisions = self._reloads = 0
        self._last_unix_s: float | None = None
        self._round_s = 0.0
        self._is_stopping = False

    def run(self) -> None:
        """Manage the host until told to stop; everything is as it was then.

        Raises:
            TunerError: the host cannot be managed, or something could not be put back.
        """
        self._supervisor.check()
        with self._selector, asked_by_signals(self._selector) as asked, self._listening():
            try:
                self._loop(asked)
            finally:
                self._is_stopping = True
                self._notifier.stopping("putting everything back")
                try:
                    self._put_back()
                finally:
                    self._publisher.publish(self.status())
        self._write("stopped: everything is as it was")

    def _put_back(self) -> None:
        """Put everything back; a kernel that is busy is asked again for a while."""
        give_up_s = self._now_s() + _PATIENCE_S
        while True:
            try:
                return self._supervisor.stop()
            except NotRestoredError as error:
                if not self._supervisor.is_unrestored or self._now_s() >= give_up_s:
                    raise
                self._warn(f"trying again: {error}")

    def _loop(self, asked: Asked) -> None:
        self._write(self._greeting())
        self._notifier.ready()
        next_s = self._now_s()
        while not asked.to_stop:
            if asked.take_reload():
                self._reload()
            now_s = self._now_s()
            if now_s >= next_s:
                self._round(asked)
                next_s = max(next_s + self._supervisor.config.interval_s, self._now_s())
            due_s = self._supervisor.flush()
            self._notifier.alive()
            self._wait(next_s - self._now_s(), due_s)
            self._socket.expire()

    def _round(self, asked: Asked) -> None:
        began_s = self._now_s()
        for outcome in self._supervisor.round():
            self._decisions += 1
            self._last_unix_s = time.time()
            self._publisher.note(outcome, self._policy.sha256)
            self._notifier.alive()
            if asked.to_stop:
                return
        self._round_s = self._now_s() - began_s
        status = self.status()
        self._publisher.publish(status)
        self._notifier.status(_summary(status))

    def _wait(self, *until_s: float | None) -> None:
        deadline_s = self._socket.deadline()
        waits = [wait_s for wait_s in until_s if wait_s is not None]
        if deadline_s is not None:
            waits.append(deadline_s - time.monotonic())
        if self._notifier.watchdog_interval_s is not None:
            waits.append(self._notifier.watchdog_interval_s)
        self._select(self._selector, max(min(waits, default=_LONGEST_WAIT_S), 0.0))

    def _answer(self, command: str) -> dict[str, object]:
        """Answer the control socket; nothing here may raise."""
        if command == "pause":
            self._supervisor.pause()
            self._write(f"paused: {self._supervisor.phase[1]}")
        elif command == "resume":
            self._supervisor.resume()
            self._write("resumed")
        return to_dict(self.status())

    def _reload(self) -> None:
        """Take up the configuration as it is now, whole or not at all."""
        self._notifier.reloading()
        try:
            config = load_config(self._config_path)
            policy = self._next_policy(config)
            self._check_unchanged(config)
            swap_in_us = config.swap_in_us or self._measured_us
            self._supervisor.reconfigure(config, policy, swap_in_us, self._disk_in_us(config))
        except TunerError as error:
            self._warn(
                f"not reloaded, all goes on as before: {'; '.join(str(error).splitlines())}"
            )
        else:
            self._policy = policy
            self._publisher.reconfigure(config)
            self._reloads += 1
            self._write(f"reloaded {self._config_path}")
        self._notifier.ready()

    def _check_unchanged(self, config: Config) -> None:
        if config.socket != self._supervisor.config.socket:
            raise TunerError(
                f"socket = {config.socket}: the socket moves only with a restart of the daemon"
            )

    def status(self) -> DaemonStatus:
        """Tell how the daemon fares."""
        config = self._supervisor.config
        phase, reason = self._supervisor.phase
        return DaemonStatus(
            version=__version__,
            pid=os.getpid(),
            kernel=os.uname().release,
            mode=config.mode,
            phase="stopping" if self._is_stopping else phase,
            reason=reason or self._policy.trouble,
            started_unix_s=self._started_unix_s,
            uptime_s=self._now_s() - self._started_s,
            interval_s=config.interval_s,
            policy=self._policy.name,
            policy_sha256=self._policy.sha256,
            is_fallback=bool(self._policy.trouble),
            decisions=self._decisions,
            last_decision_unix_s=self._last_unix_s,
            decision_s=self._round_s,
            reloads=self._reloads,
            failures=self._supervisor.failures,
            host=self._supervisor.watch.status,
            tenants=self._supervisor.statuses(),
        )

    def _greeting(self) -> str:
        config = self._supervisor.config
        doing = "decides and sets nothing" if config.mode == "shadow" else "acts"
        return (
            f"damon-tunerd {__version__}: {config.mode} mode ({doing}), {len(config.tenants)} "
            f"tenants configured, every {config.interval_s:g} s, policy {self._policy.name}"
        )

    def _first_policy(self, config: Config) -> Trusted:
        path = config.policy or PRETRAINED
        try:
            return trusted_policy(path, config.knob_groups)
        except TunerError as error:
            self._warn(f"the static policy {config.fallback} decides: {error}")
            return no_policy(str(path), str(error))

    def _next_policy(self, config: Config) -> Trusted:
        """What a reload brings; a file that was of no use before may still be of none."""
        path = config.policy or PRETRAINED
        try:
            return trusted_policy(path, config.knob_groups)
        except TunerError as error:
            if not self._policy.trouble or self._policy.name != str(path):
                raise
            return no_policy(str(path), str(error))

    def _measured_swap_in_us(self) -> float:
        try:
            return measure_swap_in_us()
        except TunerError as error:
            self._warn(
                f"{error}; until then one is taken to cost {_ASSUMED_SWAP_IN_US / 1e3:g} ms"
            )
            return _ASSUMED_SWAP_IN_US

    def _disk_in_us(self, config: Config) -> float:
        # who says only what a fault costs says it of all
        return config.disk_in_us or (0.0 if config.swap_in_us else self._measured_disk_us)

    def _new_session(self, nr_slots: int) -> Session:
        # Whoever waits for a busy kernel is alive.
        return Session(
            nr_slots,
            kernel=self._kernel,
            state_dir=self._state_dir,
            busy_timeout_s=_BUSY_S,
            record=lambda access: self._notifier.alive(),
        )

    def _warn(self, text: str) -> None:
        self._write(f"warning: {text}")

    def _now_s(self) -> float:
        return time.monotonic() if self._kernel is None else self._kernel.now_us() / 1e6

    @contextmanager
    def _listening(self) -> Iterator[None]:
        self._socket.open()
        try:
            yield
        finally:
            self._socket.close()
            self._publisher.close()


def _select(selector: selectors.BaseSelector, timeout_s: float) -> None:
    for key, mask in selector.select(timeout_s):
        key.data(mask)


def _summary(status: DaemonStatus) -> str:
    saved = sum(tenant.saved_bytes for tenant in status.tenants) >> 20
    there = sum(bool(tenant.decisions) for tenant in status.tenants)
    reason = f": {status.reason}" if status.reason else ""
    return f"{status.mode}, {status.phase}{reason}; {there} tenants, {saved} MiB saved"
