"""A control socket that is served in a thread of its own, for clients that wait."""

from __future__ import annotations

import selectors
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from damon_tuner.daemon.control_socket import ControlSocket


@contextmanager
def serving(path: Path, answer: Callable[[str], Mapping[str, Any]]) -> Iterator[None]:
    """Let ``answer`` answer at ``path`` until the block ends."""
    stopped = threading.Event()
    failures: list[BaseException] = []

    def loop() -> None:
        with selectors.DefaultSelector() as selector:
            control = ControlSocket(path, selector, answer)
            control.open()
            opened.set()
            try:
                while not stopped.is_set():
                    for key, mask in selector.select(0.02):
                        key.data(mask)
                    control.expire()
            except BaseException as error:
                failures.append(error)
            finally:
                control.close()

    opened = threading.Event()
    thread = threading.Thread(target=loop)
    thread.start()
    assert opened.wait(10.0)
    try:
        yield
    finally:
        stopped.set()
        thread.join(10.0)
    assert failures == []
