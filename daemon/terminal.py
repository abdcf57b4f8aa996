"""A whole terminal for frames that change, given back as it was."""

from __future__ import annotations

import os
import re
import select
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the other screen, no cursor, no wrapping
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[2K", "\x1b[J"
# Empty, because tmux folds lines that were wider than the first screen back into that.
_LEAVE = f"{_HOME}{_CLEAR_BELOW}\x1b[?7h\x1b[?25h\x1b[?1049l"
_INVERSE, _PLAIN = "\x1b[7m", "\x1b[0m"

# how soon a change of size is seen
_LOOK_S = 0.2

_DEFAULT_SIZE = (80, 24)

# from hot to cold, of the 256 colours
_COLOURS = {"█": 196, "▓": 208, "▒": 220, "░": 71, "·": 67}
_HEAT_BAR = re.compile(rf"(?<=\[)[{''.join(_COLOURS)}]+(?=\])")
_RUN = re.compile(r"(.)\1*")

# for terminals that have no such characters; as many as there are of the others
_ASCII = str.maketrans("█▓▒░·▁▂▃▄▅▆▇", "#%+-." + "_.-:=+*")


@contextmanager
def full_screen(keys: TextIO, out: TextIO) -> Iterator[None]:
    """Take the terminal for frames, and give it back as it was, whatever ends the block."""
    before = None
    with suppress(termios.error, OSError, ValueError):
        before = termios.tcgetattr(keys)
    try:
        if before is not None:
            _without_lines(keys)
        out.write(_ENTER)
        out.flush()
        yield
    finally:
        # a terminal that was closed cannot be given back
        with suppress(termios.error, OSError):
            if before is not None:
                termios.tcsetattr(keys, termios.TCSADRAIN, before)
            out.write(_LEAVE)
            out.flush()


def draw(lines: Sequence[str], out: TextIO) -> None:
    """Put a frame on the screen; its first line is the title."""
    title, *rest = (encodable(line, out) for line in lines)
    shown = [f"{_INVERSE}{title}{_PLAIN}", *map(_coloured, rest)]
    # No line break after the last one, which would scroll the first away.
    out.write(_HOME + "\r\n".join(_CLEAR_LINE + line for line in shown) + _CLEAR_BELOW)
    out.flush()


def encodable(line: str, out: TextIO) -> str:
    """Return the line in characters that ``out`` has."""
    try:
        line.encode(out.encoding)
    except UnicodeEncodeError:
        return line.translate(_ASCII)
    return line


def size_of(out: TextIO) -> tuple[int, int]:
    """Return columns and lines; where they cannot be had, those of old."""
    with suppress(OSError, ValueError):
        columns, lines = os.get_terminal_size(out.fileno())
        if columns > 0 and lines > 0:
            return columns, lines
    return _DEFAULT_SIZE


def wait(keys: TextIO, out: TextIO, seconds: float) -> str:
    """Return "quit" for the key q, "resized" when the size has changed, "" when time is up."""
    size, until_s = size_of(out), time.monotonic() + seconds
    watched = [keys.fileno()] if keys.isatty() else []
    while (left_s := until_s - time.monotonic()) > 0.0:
        ready, _, _ = select.select(watched, [], [], min(_LOOK_S, left_s))
        if ready:
            typed = os.read(keys.fileno(), 1024)
            # nothing at all: the terminal is gone
            if not typed or b"q" in typed.lower():
                return "quit"
        if size_of(out) != size:
            return "resized"
    return ""


def _without_lines(keys: TextIO) -> None:
    """Keys come one by one, and none of them stops the program with the screen taken."""
    tty.setcbreak(keys)
    attributes = termios.tcgetattr(keys)
    attributes[6][termios.VSUSP] = b"\0"
    termios.tcsetattr(keys, termios.TCSADRAIN, attributes)


def _coloured(line: str) -> str:
    return _HEAT_BAR.sub(lambda bar: _RUN.sub(_run, bar[0]) + _PLAIN, line)


def _run(found: re.Match[str]) -> str:
    return f"\x1b[38;5;{_COLOURS[found[1]]}m{found[0]}"
