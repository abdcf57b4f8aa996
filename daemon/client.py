"""Asking the daemon: one question over its control socket, one answer."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from damon_tuner.daemon.wording import printable
from damon_tuner.errors import NoPermissionError, TunerError

_MAX_ANSWER_BYTES = 16 << 20
_BUSY_S = 0.05


def ask(path: Path, command: str, timeout_s: float = 5.0) -> dict[str, Any]:
    """Return what the daemon at ``path`` answers to ``command``: status, pause, resume.

    Raises:
        TunerError: there is no daemon, it may not be asked, it did not answer in time, or it
            refused; each says what to do.
    """
    deadline_s = time.monotonic() + timeout_s
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            _connect(client, path, deadline_s)
            # one that is refused may have been told why, and hung up on, before it spoke
            with suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(json.dumps({"command": command}).encode() + b"\n")
            line = _receive(client, deadline_s)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise TunerError(
            f"no daemon answers at {path}: start it with systemctl start damon-tunerd, or name "
            "its socket with --socket"
        ) from error
    except PermissionError as error:
        raise NoPermissionError(f"{path} may not be asked by this user: run as root") from error
    except TimeoutError as error:
        raise TunerError(
            f"the daemon did not answer within {timeout_s:g} s: look into journalctl -u "
            "damon-tunerd, and try again"
        ) from error
    except OSError as error:
        raise TunerError(f"the daemon at {path} hung up ({error}): try again") from error
    return _answer(line)


def _connect(client: socket.socket, path: Path, deadline_s: float) -> None:
    while True:
        client.settimeout(_left(deadline_s))
        try:
            return client.connect(str(path))
        except BlockingIOError:
            # as many as the kernel keeps are waiting already
            time.sleep(_BUSY_S)


def _receive(client: socket.socket, deadline_s: float) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n") and len(received) < _MAX_ANSWER_BYTES:
        client.settimeout(_left(deadline_s))
        more = client.recv(1 << 16)
        if not more:
            break
        received += more
    return bytes(received)


def _left(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0.0:
        raise TimeoutError
    return left_s


def _answer(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise TunerError("the daemon broke off its answer: look into journalctl -u damon-tunerd")
    if "error" in told:
        raise TunerError(f"the daemon refused: {printable(str(told['error']))}")
    return told
