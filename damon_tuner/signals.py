"""Signals that ask to stop: they unwind what runs, and never what puts a host back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked to stop; like ``KeyboardInterrupt``, no ``except Exception`` eats it."""


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise ``Stopped`` once, on the first SIGTERM, SIGINT or SIGHUP, so that everything unwinds.

    Signals after the first are ignored until the block ends. One that was ignored before (as
    ``nohup`` does with SIGHUP) stays ignored.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        for held in _SIGNALS:
            signal.signal(held, signal.SIG_IGN)
        raise Stopped

    with _handled_by(stop):
        yield


@contextmanager
def signals_held() -> Iterator[None]:
    """Put off SIGTERM, SIGINT and SIGHUP until the block ends, for what must not be cut short."""
    arrived: list[int] = []
    try:
        with _handled_by(lambda number, frame: arrived.append(number)):
            yield
    finally:
        for number in dict.fromkeys(arrived):
            os.kill(os.getpid(), number)


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Let ``handler`` answer the signals; only the main thread may, and others change nothing."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            current = signal.getsignal(number)
            # None is a handler that Python did not install, and could not put back.
            if current is not signal.SIG_IGN and current is not None:
                before[number] = current
                signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
