"""``damon-tunerd`` as a process of the guest: configured, watched by its log, ended, undone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from damon_tuner.errors import TunerError

_LIMIT_S = 120.0
_LOOK_S = 0.2

LEARNED = 'fallback = "pageout_30s"\n'
STATIC = 'policy = "/none"\nfallback = "pageout_5s"\n'
"""Lines of a configuration: the shipped policy decides, or a static one that pages out a lot."""


def acting(
    folder: Path, tenants: Mapping[str, int], more: str = LEARNED, interval: str = "0.5s"
) -> str:
    """A configuration that acts on processes, and keeps its files in ``folder``.

    ``more`` are lines of the root table, who decides among them.
    """
    named = "".join(f"[tenants.{name}]\npid = {pid}\n" for name, pid in tenants.items())
    return (
        f'mode = "act"\ninterval = "{interval}"\nswap_in = "20us"\n'
        f'socket = "{folder}/run/socket"\n{more}{named}'
    )


def command(config: Path, state: Path) -> list[str]:
    """How the daemon is started."""
    files = ["--config", str(config), "--state-dir", str(state)]
    return [sys.executable, "-m", "damon_tuner.daemon.main", *files]


class Daemon:
    """One daemon at a time, with its log and its configuration in ``folder``.

    What it does not do in time is a ``TunerError`` with the end of its log. As a context manager
    it is killed on leaving, and what it has left is put back.
    """

    def __init__(self, folder: Path, text: str, state: Path | None = None) -> None:
        self.folder = folder
        self.state = state or folder / "state"
        self.config = folder / "damon-tunerd.toml"
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(text)

    def configure(self, text: str) -> None:
        """Write its configuration, which it knows of once it starts or reloads."""
        self.config.write_text(text)

    def start(self) -> None:
        """Start it; its log goes on where that of the last one ended."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command(self.config, self.state), stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._started().pid

    def log(self) -> list[str]:
        """All that it has said."""
        return self._log.read_text(errors="replace").splitlines()

    def nr_decisions(self, tenant: str = "") -> int:
        """How many decisions it has told of, for one tenant or for all."""
        mark = f"s {tenant}: resident " if tenant else ": resident "
        return self.nr_lines(mark)

    def nr_lines(self, part: str) -> int:
        """How many lines of its log have ``part`` in them."""
        return sum(part in line for line in self.log())

    def wait_for(self, true: Callable[[], bool], what: str, limit_s: float = _LIMIT_S) -> None:
        """Wait until something is true while the daemon runs."""
        deadline = time.monotonic() + limit_s
        while not true():
            if self._started().poll() is not None:
                raise TunerError(f"it ended before it {what}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise TunerError(f"it never {what}: {self._last_words()}")
            time.sleep(_LOOK_S)

    def wait_for_decisions(self, count: int, tenant: str = "") -> None:
        """Wait for so many further decisions."""
        wanted = self.nr_decisions(tenant) + count
        self.wait_for(lambda: self.nr_decisions(tenant) >= wanted, f"decided {count} times")

    def wait_for_line(self, part: str, limit_s: float = _LIMIT_S) -> str:
        """Wait until some line of its log has ``part`` in it, and return that."""
        self.wait_for(lambda: any(part in line for line in self.log()), f"said {part!r}", limit_s)
        return next(line for line in self.log() if part in line)

    def send(self, number: int) -> None:
        """Send it a signal."""
        self._started().send_signal(number)

    def ended(self) -> int:
        """Wait for its end; return its exit status, or less than 0 for a signal."""
        try:
            return self._started().wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise TunerError(f"it did not end: {self._last_words()}") from None

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Have it stop, and require that it says that everything is put back."""
        self.send(number)
        status = self.ended()
        if status or not self.log()[-1].startswith("stopped: everything is as it was"):
            raise TunerError(f"it stopped with status {status}: {self._last_words()}")

    def restore(self, *options: str) -> tuple[int, str]:
        """Put back what it has left; return the exit status, and the last line said."""
        words = [sys.executable, "-m", "damon_tuner", "restore", "--state-dir", str(self.state)]
        done = subprocess.run([*words, *options], capture_output=True, text=True)
        said = (done.stdout + done.stderr).strip().splitlines()
        return done.returncode, said[-1] if said else ""

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *error: object) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        if (self.state / "journal").exists():
            self.restore()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the daemon was not started")
        return self._process

    def _last_words(self) -> str:
        return " | ".join(self.log()[-3:])
