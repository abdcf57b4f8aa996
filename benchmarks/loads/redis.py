"""Redis under redis-benchmark: days of keys, of which one is popular and the next comes.

Of the popular day few keys are asked for often, and all of them now and then; of the other days
a little at times. A request is a GET, of ten one a SET.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from damon_tuner.benchmarks.loads.driver import drive, program
from damon_tuner.benchmarks.loads.values import Values

_SOCKET = Path("/run/redis.socket")
_DAYS, _KEYS, _POPULAR_KEYS, _VALUE_BYTES = 8, 25_000, 4_000, 900
_DAY_S = 60.0
_THINK_S = 1.2
_CLIENTS, _PIPELINED = 4, 10
_AT_ONCE = 500


def main() -> None:
    """Start and fill the server, and ask it for ever."""
    _SOCKET.unlink(missing_ok=True)
    command = [
        *program("redis-check-rdb", called="redis-server"),
        *("--port", "0", "--unixsocket", str(_SOCKET)),
        *("--save", "", "--appendonly", "no"),
    ]
    # it insists on a locale that its C library has files of
    environment = {**os.environ, "LC_ALL": "C"}
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    connection = _connected(server)
    rng = Random(1)
    values = Values(_VALUE_BYTES, rng)
    for day in range(_DAYS):
        for first in range(0, _KEYS, _AT_ONCE):
            _set_all(connection, day, range(first, first + _AT_ONCE), values)
    drive(server.pid, _rounds(rng))


def _connected(server: subprocess.Popen[bytes]) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    for _ in range(300):
        if server.poll() is not None:
            break
        try:
            connection.connect(str(_SOCKET))
        except OSError:
            time.sleep(0.1)
        else:
            return connection
    raise SystemExit("redis-server did not come up")


def _set_all(connection: socket.socket, day: int, keys: range, values: Values) -> None:
    commands = []
    for key in keys:
        name, value = b"day%d:%012d" % (day, key), values.draw()
        commands.append(
            b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(name), name, len(value), value)
        )
    connection.sendall(b"".join(commands))
    answer = b""
    while len(answer) < len(b"+OK\r\n") * len(keys):
        answer += connection.recv(1 << 16)
    if answer != b"+OK\r\n" * len(keys):
        raise SystemExit(f"redis-server answers {answer[:100]!r}")


def _rounds(rng: Random) -> Iterator[int]:
    value = "x" * _VALUE_BYTES
    began = time.monotonic()
    while True:
        day = int((time.monotonic() - began) / _DAY_S) % _DAYS
        key = f"day{day}:__rand_int__"
        yield _ask(1_000, _POPULAR_KEYS, "GET", key)
        yield _ask(400, _KEYS, "GET", key)
        yield _ask(200, _POPULAR_KEYS, "SET", key, value)
        if rng.random() < 0.2:
            yield _ask(100, _KEYS, "GET", f"day{rng.randrange(_DAYS)}:__rand_int__")


def _ask(requests: int, nr_keys: int, *words: str) -> int:
    """Make that many requests of keys below ``nr_keys``, and think."""
    command = [
        *program("redis-benchmark"),
        *("-s", str(_SOCKET), "-c", str(_CLIENTS), "-P", str(_PIPELINED)),
        *("-n", str(requests), "-r", str(nr_keys), "-q", *words),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    time.sleep(_THINK_S)
    return requests


if __name__ == "__main__":
    main()
