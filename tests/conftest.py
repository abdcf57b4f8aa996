"""What every test starts from."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Undo what ``nohup`` or a shell's background ignores: the tests send these signals."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
