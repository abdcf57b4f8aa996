"""What a hostile or broken client sends to the control socket, and how it behaves."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from damon_tuner.daemon.connection import COMMANDS, MAX_REQUEST_BYTES

_VALID = [json.dumps({"command": command}).encode() + b"\n" for command in COMMANDS]


def hostile_request(rng: random.Random) -> bytes:
    """Return bytes that are never a request: noise, half lines, megabytes, nearly right JSON."""
    request = rng.choice(_KINDS)(rng)
    return b"{" + request if _is_request(request) else request


def attack(path: Path, rng: random.Random, timeout_s: float = 5.0) -> bytes:
    """Be one hostile client of the socket at ``path``; returns what the daemon answered.

    It may write in pieces, hang up at any point, or never read.
    """
    request = hostile_request(rng)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client, suppress(OSError):
        client.settimeout(timeout_s)
        client.connect(str(path))
        _send(client, request, rng)
        # at once, without reading the answer, or properly
        ending = rng.randrange(3)
        if ending > 0:
            client.shutdown(socket.SHUT_WR)
        if ending > 1:
            return _received(client)
    return b""


def _send(client: socket.socket, request: bytes, rng: random.Random) -> None:
    pieces = rng.choice((1, 1, 2, 5))
    step = len(request) // pieces + 1
    for start in range(0, len(request), step):
        client.sendall(request[start : start + step])


def _received(client: socket.socket) -> bytes:
    received = b""
    while more := client.recv(1 << 16):
        received += more
    return received


def _is_request(request: bytes) -> bool:
    try:
        told = json.loads(request.partition(b"\n")[0])
    except (ValueError, RecursionError):
        return False
    return told in [{"command": command} for command in COMMANDS]


def _noise(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 10, 1000, 2 * MAX_REQUEST_BYTES)))


def _megabytes(rng: random.Random) -> bytes:
    return rng.choice((b"a", b" ", b"[", b'{"command":', b"\0")) * rng.randrange(1, 1 << 20)


def _cut(rng: random.Random) -> bytes:
    request = rng.choice(_VALID)
    return request[: rng.randrange(len(request))]


def _flipped(rng: random.Random) -> bytes:
    request = bytearray(rng.choice(_VALID))
    for _ in range(rng.randrange(1, 4)):
        request[rng.randrange(len(request))] = rng.randrange(256)
    return bytes(request)


def _twice(rng: random.Random) -> bytes:
    return rng.choice(_VALID) + rng.choice((*_VALID, b"\n", b"\0", rng.randbytes(100)))


def _padded(rng: random.Random) -> bytes:
    request = rng.choice(_VALID)
    return b" " * (MAX_REQUEST_BYTES + rng.randrange(-len(request), 2)) + request


def _nested(rng: random.Random) -> bytes:
    depth = rng.randrange(1, MAX_REQUEST_BYTES)
    return rng.choice((b"[", b'{"a":', b'{"command":[')) * depth + b"\n"


def _other_json(rng: random.Random) -> bytes:
    value = rng.choice(
        (None, True, 1e308, 10**300, "", "status", [], {}, ["status"], {"status": "command"})
    )
    table = rng.choice(
        (
            value,
            {"command": value if value != "status" else "Status"},
            {"command": "status", "more": value},
            {"command": "\ud800"},
            {"command": "status\n"},
        )
    )
    return json.dumps(table).encode() + b"\n"


_KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    *(_noise, _megabytes, _cut, _flipped, _twice, _padded, _nested, _other_json),
)
