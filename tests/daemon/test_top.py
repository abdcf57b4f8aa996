"""What ``damon-tuner top`` shows, and that the terminal is afterwards as it was."""

from __future__ import annotations

import fcntl
import math
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damon_tuner.daemon.bars import gauge, heat_bar, sparkline
from damon_tuner.daemon.history import SPAN_S, History
from damon_tuner.daemon.status import DaemonStatus, to_dict
from damon_tuner.daemon.top import frame

from .serving import serving
from .statuses import GONE, HEAT_CLASSES, MIB, REDIS, STATUS, shares, statuses

HELD_BACK = replace(
    REDIS, name="web", phase="holding", reason="pressure", guard=("pressure", "hold"), slowdown=0.1
)


def _seen(*looks: tuple[float, DaemonStatus]) -> History:
    history = History()
    for now_s, status in looks:
        history.add(now_s, status)
    return history


def _saving(*saved_mib: int) -> DaemonStatus:
    return replace(
        STATUS,
        tenants=tuple(
            replace(REDIS, name=f"t{at}", saved_bytes=mib * MIB)
            for at, mib in enumerate(saved_mib)
        ),
    )


def test_a_frame_says_what_is_worth_knowing() -> None:
    status = replace(STATUS, tenants=(REDIS, GONE, HELD_BACK))
    text = "\n".join(frame(status, _seen((0.0, status)), 80, 24, "q quits"))
    for said in (
        *("act: managing", "up 1 d 2 h", "q quits", "13.0 GiB of 16.0 GiB", "pressure 3.1%"),
        *("redis", "min age 30 s", "quota 1.4 MiB/s", "480 MiB", "1.2% of 2.0%", "█", "·"),
        *("batch", "waiting", "no process is there", "holding", "guard: pressure, hold"),
    ):
        assert said in text, said


@given(
    statuses,
    st.integers(1, 200),
    st.none() | st.integers(1, 60),
    st.text(st.characters(codec=None), max_size=100),
)
def test_every_frame_fits_its_terminal(
    status: DaemonStatus, width: int, height: int | None, note: str
) -> None:
    lines = frame(status, _seen((0.0, status), (5.0, status)), width, height, note)
    assert lines
    assert height is None or len(lines) <= height
    assert all(len(line) <= width for line in lines)
    # nothing that a terminal would obey
    assert all(c.isprintable() for line in lines for c in line)


@pytest.mark.parametrize("note", ["q quits", "no daemon answers: " + "start it " * 20])
def test_a_note_is_seen_however_long_it_is(note: str) -> None:
    assert note[:60] in "\n".join(frame(STATUS, _seen((0.0, STATUS)), 80, 24, note))


@pytest.mark.parametrize(("height", "shown"), [(None, 8), (60, 8), (29, 8), (24, 6), (8, 0)])
def test_tenants_for_which_there_is_no_room_are_counted(height: int | None, shown: int) -> None:
    status = _saving(*range(8))
    lines = frame(status, _seen((0.0, status)), 80, height)
    assert sum(line.startswith("t") for line in lines) == shown
    assert (f"{8 - shown} tenants more" in lines[-1]) == (shown < 8)


def test_the_heat_bar_is_as_long_as_the_shares() -> None:
    heat = {name: 0.0 for name in HEAT_CLASSES} | {"hot_share": 0.25, "idle_160s_share": 0.5}
    assert heat_bar(heat | {"warm_share": 0.25}, 8) == "██▓▓····"
    # also without the end of the name, and not adding up to one
    assert heat_bar({"hot": 1.0, "rare": 2.0, "idle_5s": 1.0}, 8) == "██▒▒▒▒░░"
    assert "?" not in heat_bar(dict.fromkeys(HEAT_CLASSES, 0.1), 50)


@given(
    st.dictionaries(st.sampled_from([*HEAT_CLASSES, "new"]), shares | st.just(math.nan)), shares
)
def test_a_heat_bar_is_as_wide_as_asked(heat: dict[str, float], width: float) -> None:
    cells = round(width * 100)
    assert len(heat_bar(heat, cells)) == cells


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([None, None], "  "),
        ([None, 5, 5], " ▁▁"),
        ([0, 0], "▁▁"),
        ([1000, 1001], "▁▁"),
        ([0, 7, 14], "▁▅█"),
        ([-7, None, 0], "▁ █"),
    ],
)
def test_a_course_goes_from_its_least_to_its_most(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "    "), (0.0, "----"), (0.5, "##--"), (1.0, "####"), (1.01, "###!"), (-1.0, "----")],
)
def test_a_gauge_says_how_full_and_that_it_is_over(share: float | None, text: str) -> None:
    assert gauge(share, 4) == text


def test_the_history_is_the_last_minute_at_even_steps() -> None:
    history = _seen(*((float(t), _saving(t, 10)) for t in range(0, 100, 2)))
    assert history.saved("t0", 4) == [x * MIB for x in (52, 68, 82, 98)]
    assert history.saved(None, 2) == [x * MIB for x in (78, 108)]
    assert history.saved("t0", 1000)[0] is not None
    assert history.saved("other", 2) == [None, None]


def test_before_the_first_look_nothing_is_known() -> None:
    assert History().saved(None, 3) == [None, None, None]
    assert _seen((0.0, _saving(1))).saved("t0", 3) == [None, None, MIB]
    assert _seen((0.0, _saving(1)), (SPAN_S + 1.0, _saving(2))).saved("t0", 1) == [2 * MIB]


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *command: str) -> None:
        self._ours, self.theirs = pty.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(self.theirs)
        self.text = ""
        self.process = subprocess.Popen(
            # in control, so that Ctrl-C and Ctrl-Z are signals
            ["setsid", "--ctty", *command],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            env=os.environ | {"TERM": "xterm", "PYTHONIOENCODING": "utf-8"},
        )

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def read_until(self, said: str) -> None:
        """Read on until ``said`` is on the screen; what was read before is forgotten."""
        self.text = self._read(lambda: said not in self.text)

    def read_to_the_end(self) -> int:
        """Read until the program has ended; returns its exit status."""
        self.text = self._read(lambda: self.process.poll() is None)
        return self.process.wait(timeout=1.0)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self.theirs)

    def _read(self, go_on: Callable[[], bool]) -> str:
        self.text = ""
        deadline_s = time.monotonic() + 30.0
        while go_on():
            assert time.monotonic() < deadline_s, self.text
            self._take(0.05)
        self._take(0.0)
        return self.text

    def _take(self, timeout_s: float) -> None:
        while select.select([self._ours], [], [], timeout_s)[0]:
            self.text += os.read(self._ours, 1 << 16).decode(errors="replace")
            timeout_s = 0.0


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Terminal]:
    path = tmp_path / "socket"
    with serving(path, lambda command: to_dict(STATUS)):
        command = (sys.executable, "-m", "damon_tuner", "top", "--socket", str(path))
        terminal = Terminal(*command, "--interval", "0.1")
        try:
            terminal.read_until("redis")
            yield terminal
        finally:
            terminal.close()


@pytest.mark.parametrize(
    ("end", "status"),
    [("q", 0), ("Q", 0), ("\x03", 130), (signal.SIGTERM, 130), (signal.SIGHUP, 130)],
)
def test_however_it_ends_the_terminal_is_as_it_was(
    end: str | signal.Signals, status: int, top: Terminal
) -> None:
    assert termios.tcgetattr(top.theirs) != top.before
    if isinstance(end, str):
        top.type(end)
    else:
        top.process.send_signal(end)
    assert top.read_to_the_end() == status
    assert termios.tcgetattr(top.theirs) == top.before
    for on, off in (("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?25l", "\x1b[?25h")):
        assert top.text.rfind(off) > top.text.rfind(on)
    # what is left on the other screen comes back on this one where tmux was resized
    assert "\x1b[H\x1b[J" in top.text
    assert "Traceback" not in top.text


def test_other_keys_and_suspending_do_nothing(top: Terminal) -> None:
    top.type("x\x1b[A\x1a\r")
    top.read_until("redis")
    assert top.process.poll() is None
    with suppress(ProcessLookupError):
        state = Path(f"/proc/{top.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert state in "RS"


def test_it_draws_anew_for_another_size(top: Terminal) -> None:
    top.resize(40, 10)
    top.read_until("tenant more: make this taller")
    top.resize(80, 24)
    top.read_until("no process is there")


def test_a_daemon_that_goes_and_comes_back_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    command = (sys.executable, "-m", "damon_tuner", "top", "--socket", str(path))
    with serving(path, lambda command: to_dict(STATUS)):
        terminal = Terminal(*command, "--interval", "0.05")
        terminal.read_until("redis")
    try:
        terminal.read_until("no daemon answers")
        with serving(path, lambda command: to_dict(replace(STATUS, phase="paused"))):
            terminal.read_until("paused")
        terminal.type("q")
        assert terminal.read_to_the_end() == 0
    finally:
        terminal.close()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_without_a_terminal_each_look_is_plain_text(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    command = [sys.executable, "-m", "damon_tuner", "top", "--socket", str(path)]
    with (
        serving(path, lambda command: to_dict(STATUS)),
        subprocess.Popen(
            [*command, "--interval", "0.05"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONIOENCODING": encoding},
        ) as process,
    ):
        assert process.stdout
        lines = [process.stdout.readline().decode(encoding) for _ in range(40)]
        process.terminate()
        process.stdout.close()
    assert sum("damon-tunerd act" in line for line in lines) >= 2
    assert not any("\x1b" in line for line in lines)
    assert any(("█" if encoding == "utf-8" else "#") in line for line in lines if "heat" in line)
