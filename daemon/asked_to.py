"""What signals ask of the loop: they wake it, and it looks when it is ready to."""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_STOP = (signal.SIGTERM, signal.SIGINT)


@dataclass(slots=True)
class Asked:
    """What was asked for since it was last looked at."""

    to_stop: bool = False
    to_reload: bool = False

    def take_reload(self) -> bool:
        """Tell whether to reload, once for each time that it was asked."""
        asked, self.to_reload = self.to_reload, False
        return asked


@contextmanager
def asked_by_signals(selector: selectors.BaseSelector) -> Iterator[Asked]:
    """Note SIGTERM and SIGINT as stop, SIGHUP as reload; each makes ``selector`` ready.

    The usual handlers are back when the block ends, and so is a second SIGTERM's right to be
    ignored until everything is put back. Only the main thread may.
    """
    asked = Asked()

    def note(number: int, frame: FrameType | None) -> None:
        if number in _STOP:
            asked.to_stop = True
        else:
            asked.to_reload = True

    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = {number: signal.signal(number, note) for number in (*_STOP, signal.SIGHUP)}
    woken_before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    selector.register(readable, selectors.EVENT_READ, lambda mask: os.read(readable, 4096))
    try:
        yield asked
    finally:
        signal.set_wakeup_fd(woken_before)
        selector.unregister(readable)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(readable)
        os.close(writable)
