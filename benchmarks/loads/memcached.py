"""memcached with a feed: what is newest is asked for most, and new items push the oldest out."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from damon_tuner.benchmarks.loads.driver import drive, program
from damon_tuner.benchmarks.loads.values import Values

_SOCKET = Path("/run/memcached.socket")
_LIMIT_MIB = 240
_ITEMS, _VALUE_BYTES = 100_000, 2_000
_MEAN_AGE_ITEMS = 6_000
_REQUESTS, _THINK_S = 50, 0.1
_NEW_SHARE = 0.02
_AT_ONCE = 200


class _Client:
    """Speaks memcached's text protocol."""

    def __init__(self, server: subprocess.Popen[bytes]) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        for _ in range(300):
            if server.poll() is not None:
                break
            try:
                self._socket.connect(str(_SOCKET))
            except OSError:
                time.sleep(0.1)
            else:
                self._answers = self._socket.makefile("rb")
                return
        raise SystemExit("memcached did not come up")

    def set_all(self, first: int, values: list[bytes]) -> None:
        """Store items from the number ``first`` on."""
        commands = [
            b"set %d 0 0 %d\r\n%b\r\n" % (first + index, len(value), value)
            for index, value in enumerate(values)
        ]
        self._socket.sendall(b"".join(commands))
        for _ in values:
            if self._answers.readline() != b"STORED\r\n":
                raise SystemExit("memcached does not store")

    def get(self, number: int) -> bool:
        """Ask for an item, and tell whether there is one."""
        self._socket.sendall(b"get %d\r\n" % number)
        found = False
        while (line := self._answers.readline()) != b"END\r\n":
            if not line.startswith(b"VALUE"):
                raise SystemExit(f"memcached answers {line!r}")
            self._answers.read(int(line.split()[3]) + 2)
            found = True
        return found


def main() -> None:
    """Start and fill the server, and ask it for ever."""
    _SOCKET.unlink(missing_ok=True)
    limits = ["-u", "root", "-m", str(_LIMIT_MIB), "-t", "1"]
    server = subprocess.Popen([*program("memcached"), *limits, "-s", str(_SOCKET)])
    client, rng = _Client(server), Random(1)
    values = Values(_VALUE_BYTES, rng)
    for first in range(0, _ITEMS, _AT_ONCE):
        client.set_all(first, [values.draw() for _ in range(_AT_ONCE)])
    drive(server.pid, _rounds(client, values, rng))


def _rounds(client: _Client, values: Values, rng: Random) -> Iterator[int]:
    newest = _ITEMS
    while True:
        for _ in range(_REQUESTS):
            if rng.random() < _NEW_SHARE:
                client.set_all(newest, [values.draw()])
                newest += 1
            else:
                client.get(max(newest - 1 - int(rng.expovariate(1.0 / _MEAN_AGE_ITEMS)), 0))
        yield _REQUESTS
        time.sleep(_THINK_S)


if __name__ == "__main__":
    main()
