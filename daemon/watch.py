"""Looking at the daemon again and again: on a terminal as a screen, elsewhere as plain text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from damon_tuner.daemon.history import History
from damon_tuner.daemon.status import DaemonStatus
from damon_tuner.daemon.terminal import draw, encodable, full_screen, size_of, wait
from damon_tuner.daemon.top import frame
from damon_tuner.errors import TunerError

_PLAIN_WIDTH = 100
_HOW_TO_QUIT = "q quits"


def watch(look: Callable[[], DaemonStatus], interval_s: float, keys: TextIO, out: TextIO) -> None:
    """Show what ``look`` returns, every ``interval_s`` seconds.

    On a terminal until q is pressed, and a daemon that does not answer is waited for once it has
    answered; elsewhere until it no longer answers.

    Raises:
        TunerError: the daemon does not answer.
    """
    if out.isatty():
        _on_screen(look, interval_s, keys, out)
    else:
        _as_text(look, interval_s, out)


def _as_text(look: Callable[[], DaemonStatus], interval_s: float, out: TextIO) -> None:
    history = History()
    while True:
        status = look()
        history.add(time.monotonic(), status)
        for line in frame(status, history, _PLAIN_WIDTH, None):
            print(encodable(line, out), file=out)
        print(file=out, flush=True)
        time.sleep(interval_s)


def _on_screen(
    look: Callable[[], DaemonStatus], interval_s: float, keys: TextIO, out: TextIO
) -> None:
    history, status, note = History(), look(), _HOW_TO_QUIT
    history.add(time.monotonic(), status)
    with full_screen(keys, out):
        next_s = time.monotonic() + interval_s
        while True:
            draw(frame(status, history, *size_of(out), note), out)
            what = wait(keys, out, next_s - time.monotonic())
            if what == "quit":
                return
            if what == "resized":
                continue
            next_s = time.monotonic() + interval_s
            try:
                status, note = look(), _HOW_TO_QUIT
                history.add(time.monotonic(), status)
            except TunerError as error:
                note = str(error)
