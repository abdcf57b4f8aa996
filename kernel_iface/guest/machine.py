"""The running emulator: started, listened to, and always ended."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest.emulator import GuestFiles, emulator_command
from damon_tuner.kernel_iface.guest.session import Session
from damon_tuner.kernel_iface.guest.spec import GuestSpec

_READ_BYTES = 1 << 16
_LOOK_AT_CONSOLE_S = 2.0
_PANIC = b"Kernel panic - not syncing"


def run_machine(
    emulator: str, spec: GuestSpec, files: GuestFiles, session: Session, timeout_s: float
) -> None:
    """Boot and feed ``session`` until the guest has sent everything, or died.

    Raises ``GuestError`` when the guest reports an error or takes longer than ``timeout_s``.
    However this ends, the emulator is gone afterwards.
    """
    deadline = time.monotonic() + timeout_s
    with contextlib.ExitStack() as stack:
        control, control_end = _pipe(stack)
        output, output_end = _pipe(stack)
        command = emulator_command(emulator, spec, files, control_end, output_end)
        with _started(command, files, (control_end, output_end)):
            feeds = {control: session.feed_control, output: session.feed_output}
            _listen(session, feeds, files.console_log, deadline)
        # what the guest printed last may still be in the pipe
        while data := os.read(output, _READ_BYTES):
            session.feed_output(data)
        session.finish_output()


@contextlib.contextmanager
def signals_unwind() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block through its clean-up, as Ctrl-C does."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    changed = []
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, leave)
                changed.append(number)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _pipe(stack: contextlib.ExitStack) -> tuple[int, int]:
    """Return the reading and the writing end; ``stack`` closes the reading one."""
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    return reading, writing


@contextlib.contextmanager
def _started(command: list[str], files: GuestFiles, ends: tuple[int, ...]) -> Iterator[None]:
    """Run the emulator during the block; it owns the pipes' writing ``ends`` from then on."""
    try:
        with files.console_log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=ends,
                start_new_session=True,  # Ctrl-C is for us, and we end the emulator
            )
    finally:
        for end in ends:
            os.close(end)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _listen(
    session: Session, feeds: Mapping[int, Callable[[bytes], None]], console: Path, deadline: float
) -> None:
    """Feed ``session`` until it has everything, or the guest can send no more."""
    logged, silent_since_panic = console.stat().st_size, 0
    with selectors.DefaultSelector() as selector:
        for descriptor in feeds:
            selector.register(descriptor, selectors.EVENT_READ)
        # a kernel that panics should reboot, which ends the emulator, but may hang instead
        while selector.get_map() and not session.finished and silent_since_panic < 2:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise GuestError(f"the guest was stopped at the timeout, {session.stage}")
            ready = selector.select(min(left_s, _LOOK_AT_CONSOLE_S))
            for key, _ in ready:
                data = os.read(key.fd, _READ_BYTES)
                feeds[key.fd](data)
                if not data:
                    selector.unregister(key.fd)
            if not ready and _PANIC in console.read_bytes()[logged:]:
                silent_since_panic += 1
