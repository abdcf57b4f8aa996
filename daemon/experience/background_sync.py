"""Files are brought to the disk by a thread, because a disk may take seconds."""

from __future__ import annotations

import os
import threading
from collections import deque

# While a disk hangs, what it is asked must not pile up.
_MAX_WAITING = 4


class BackgroundSync:
    """Syncs files one after another, in a thread that lives as long as there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[int] = deque()
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None

    def request(self, fd: int) -> None:
        """Have the file on disk some time later; ``fd`` may be closed meanwhile."""
        with self._lock:
            if len(self._waiting) >= _MAX_WAITING:
                return
            try:
                self._waiting.append(os.dup(fd))
            except OSError:  # no descriptor is left: the kernel writes it in its own time
                return
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._work, name="experience-sync", daemon=True)
            self._thread = thread
        try:
            thread.start()
        except RuntimeError:  # there are as many threads as there may be
            self._work()

    def wait(self, timeout_s: float) -> None:
        """Wait until all that was requested is on disk, but no longer than that."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def take_error(self) -> OSError | None:
        """Return what has failed since this was last asked."""
        error, self._error = self._error, None
        return error

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                fd = self._waiting.popleft()
            try:
                os.fdatasync(fd)
            except OSError as error:
                self._error = error
            finally:
                os.close(fd)
