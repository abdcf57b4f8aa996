"""The control socket: who may ask the daemon, and how many at a time. Nobody can hold it up."""

from __future__ import annotations

import os
import selectors
import socket
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path

from damon_tuner.daemon.connection import Answer, Connection, refusal
from damon_tuner.errors import TunerError

MAX_CLIENTS = 16

# When the host has no descriptor left, a waiting client would be ready again at once, for ever.
_REST_S = 1.0

_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid


class ControlSocket:
    """A Unix socket at ``path`` that only root and this process's own user may ask.

    It registers with ``selector`` what it listens to; the loop calls each ready key's ``data``
    with the mask, waits no longer than ``deadline()``, and calls ``expire()`` each time around.
    None of them waits or raises for what a client does.
    """

    def __init__(
        self,
        path: Path,
        selector: selectors.BaseSelector,
        answer: Answer,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._selector = selector
        self._answer = answer
        self._clock = clock
        self._listener: socket.socket | None = None
        self._inode: tuple[int, int] | None = None
        self._rests_until_s: float | None = None
        self._clients: list[Connection] = []

    def open(self) -> None:
        """Begin to listen; takes the place of what a dead daemon left.

        Two that open at the same instant are told apart by the tuner's lock, not here.

        Raises:
            TunerError: another daemon answers there, or the path cannot be used.
        """
        try:
            _make_folder(self.path.parent)
            _make_room(self.path)
            self._listener = _listening(self.path)
            self._inode = _inode(self.path)
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        except OSError as error:
            self.close()
            raise TunerError(
                f"cannot listen at {self.path} ({error}): run as root, or set another socket"
            ) from error

    def deadline(self) -> float | None:
        """Return by when ``expire`` wants to be called; None when nothing is waiting."""
        times = [client.until_s for client in self._clients if client.is_open]
        if self._rests_until_s is not None:
            times.append(self._rests_until_s)
        return min(times, default=None)

    def expire(self, now_s: float | None = None) -> None:
        """Close what has taken too long; ``now_s`` is of the clock that was given."""
        now_s = self._clock() if now_s is None else now_s
        for client in self._clients:
            if client.until_s <= now_s:
                client.close()
        self._clients = [client for client in self._clients if client.is_open]
        if self._rests_until_s is not None and self._rests_until_s <= now_s and self._listener:
            self._rests_until_s = None
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Let go of every client and remove the socket's file; may be called again."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        if self._listener:
            if self._listener in self._selector.get_map():
                self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        if self._inode and _inode(self.path) == self._inode:
            self.path.unlink(missing_ok=True)
        self._inode = self._rests_until_s = None

    def _accept(self, mask: int) -> None:
        if self._listener is None:
            return
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            self._selector.unregister(self._listener)
            self._rests_until_s = self._clock() + _REST_S
            return
        try:
            self._admit(client)
        except OSError:
            client.close()

    def _admit(self, client: socket.socket) -> None:
        client.setblocking(False)
        self.expire()
        if _credentials(client)[1] not in (0, os.geteuid()):
            why = "only root and the daemon's own user may ask"
        elif len(self._clients) >= MAX_CLIENTS:
            why = f"{MAX_CLIENTS} clients are being answered already: try again"
        else:
            connection = Connection(client, self._selector, self._answer, self._clock)
            self._clients.append(connection)
            return
        with client:
            client.send(refusal(why))


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        # whoever may rename there could put a socket of their own in our place
        raise TunerError(f"{folder} is writable by everybody: chmod o-w it, or set another socket")


def _make_room(path: Path) -> None:
    """Remove a socket that nobody listens to any more."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise TunerError(f"{path} is no socket: remove it, or set another socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            probe.connect(os.fspath(path))
            pid = _credentials(probe)[0]
        raise TunerError(
            f"process {pid} answers at {path} already: stop that daemon, or set another socket"
        )
    except FileNotFoundError:
        return
    except BlockingIOError as error:
        raise TunerError(f"another daemon is busy at {path}: stop it first") from error
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        # Linux makes the file with the socket's own mode, so that it never has another.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(os.fspath(path))
        listener.listen(MAX_CLIENTS)
    except BaseException:
        listener.close()
        raise
    return listener


def _credentials(peer: socket.socket) -> tuple[int, int, int]:
    told = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(told)
    return pid, uid, gid


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
