"""How a load and who measures it talk.

A load is a module of this package that calls :func:`drive`. It prints ``ready PID`` when the
process PID, the one to be managed, has its memory; begins when it reads a line; and prints
``done NUMBER`` with all the work done so far after each round.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from damon_tuner.benchmarks.loads import PROGRAMS

_LOAD_CPU = 1
_LOADER = "ld-linux-x86-64.so.2"


def program(name: str, called: str | None = None) -> list[str]:
    """The beginning of the command line that runs one of Debian's programs in the guest.

    With the libraries that it was built for. ``called`` is the name that it goes by, if it is
    several programs.
    """
    libraries = PROGRAMS / "lib"
    loader = [str(libraries / _LOADER), "--library-path", str(libraries)]
    return [*loader, "--argv0", called or name, str(PROGRAMS / "bin" / name)]


def drive(pid: int, rounds: Iterator[int]) -> None:
    """Tell that ``pid`` is ready, and after a line on stdin do and report the rounds' work."""
    print(f"ready {pid}", flush=True)
    sys.stdin.readline()
    done = 0
    for work in rounds:
        done += work
        print(f"done {done}", flush=True)


class Driven:
    """A running load: the process to be managed, and what it has done."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = self._read("ready")
        self.done = 0
        self._reader = threading.Thread(target=self._follow, daemon=True)

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        self._reader.start()

    def alive(self) -> bool:
        """Whether it still works."""
        return self._process.poll() is None

    def _follow(self) -> None:
        while True:
            try:
                self.done = self._read("done")
            except EOFError:
                return

    def _read(self, word: str) -> int:
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        if len(words) != 2 or words[0] != word:
            raise EOFError(f"the load says {words} instead of {word}")
        return int(words[1])


@contextmanager
def driven(name: str) -> Iterator[Driven]:
    """Start the load of that name, on a CPU of its own; all its processes end on leaving."""
    command = [sys.executable, "-m", f"damon_tuner.benchmarks.loads.{name}"]

    def on_its_cpu() -> None:
        os.sched_setaffinity(0, {_LOAD_CPU})

    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=on_its_cpu,
        start_new_session=True,
    ) as process:
        try:
            yield Driven(process)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
