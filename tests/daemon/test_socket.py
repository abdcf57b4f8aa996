"""The control socket: whom it answers, and that nobody can hold it up or break it."""

from __future__ import annotations

import json
import os
import random
import resource
import selectors
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from damon_tuner.daemon.client import ask
from damon_tuner.daemon.connection import (
    CLIENT_TIMEOUT_S,
    COMMANDS,
    MAX_REQUEST_BYTES,
    reply_to,
)
from damon_tuner.daemon.control_socket import MAX_CLIENTS, ControlSocket
from damon_tuner.daemon.status import from_dict, to_dict
from damon_tuner.errors import TunerError

from .hostile_requests import attack, hostile_request
from .serving import serving
from .statuses import STATUS

# more than the kernel keeps for a client that does not read
LONG = {"text": "x" * (4 << 20)}


def _echo(command: str) -> Mapping[str, Any]:
    return {"command": command}


class Server:
    """A control socket with a loop around it, and a clock that is turned by hand."""

    def __init__(self, path: Path, answer: Callable[[str], Mapping[str, Any]] = _echo) -> None:
        self.now_s = 0.0
        self.selector = selectors.DefaultSelector()
        self.control = ControlSocket(path, self.selector, answer, clock=lambda: self.now_s)
        self.control.open()
        self.path = path

    def turn(self, timeout_s: float = 0.0) -> int:
        """Go around once; returns how many were ready."""
        ready = self.selector.select(timeout_s)
        for key, mask in ready:
            key.data(mask)
        self.control.expire()
        return len(ready)

    def settle(self) -> None:
        """Go around until nothing is ready."""
        for _ in range(10_000):
            if not self.turn():
                return
        pytest.fail("it never comes to rest")

    def client(self, request: bytes = b"") -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(10.0)
        client.connect(str(self.path))
        client.sendall(request)
        return client

    def exchange(self, request: bytes) -> Any:
        """Ask, and return the one line that comes before the end."""
        with self.client(request) as client:
            self.settle()
            text = _received(client)
        assert text.count("\n") == 1
        assert text.endswith("\n")
        return json.loads(text)

    def is_well(self) -> bool:
        """Tell whether the next one is answered."""
        return bool(self.exchange(b'{"command": "status"}\n') == {"command": "status"})

    def close(self) -> None:
        self.control.close()
        self.selector.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with closing(Server(tmp_path / "run" / "socket")) as server:
        yield server


def test_a_command_is_answered_through_the_client(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with serving(
        path, lambda command: to_dict(STATUS) if command == "status" else {"is": command}
    ):
        assert from_dict(ask(path, "status")) == STATUS
        assert ask(path, "pause") == {"is": "pause"}
        assert ask(path, "resume") == {"is": "resume"}


def test_a_long_answer_arrives_whole(tmp_path: Path) -> None:
    with serving(tmp_path / "socket", lambda command: LONG):
        assert ask(tmp_path / "socket", "status") == LONG


def test_a_request_may_come_in_pieces(server: Server) -> None:
    with server.client() as client:
        for byte in b'{"command": "status"}\n':
            client.send(bytes([byte]))
            server.settle()
        assert json.loads(client.makefile().read()) == {"command": "status"}


def test_only_the_owner_may_connect_from_the_start(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with closing(Server(tmp_path / "run" / "socket")) as server:
            assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
            assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o755
    finally:
        os.umask(before)


def test_the_file_goes_with_the_daemon(server: Server) -> None:
    server.control.close()
    assert os.listdir(server.path.parent) == []
    server.control.close()


def test_another_ones_socket_stays(server: Server) -> None:
    server.path.unlink()
    with closing(Server(server.path)) as successor:
        server.control.close()
        assert successor.is_well()


def test_what_a_dead_daemon_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    with closing(Server(path)) as server:
        assert server.is_well()


def test_a_live_daemon_is_refused_by_name(server: Server) -> None:
    with pytest.raises(TunerError, match=rf"process {os.getpid()} answers at .*socket already"):
        Server(server.path)
    server.settle()
    assert server.is_well()


@pytest.mark.parametrize("full", [False, True])
def test_a_live_daemon_that_is_busy_is_refused(tmp_path: Path, full: bool) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other, suppress(BlockingIOError):
        other.bind(str(path))
        other.listen(0)
        waiting = []
        for _ in range(10 * full):
            waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            waiting[-1].setblocking(False)
            with suppress(BlockingIOError):
                waiting[-1].connect(str(path))
        with pytest.raises(TunerError, match=r"busy" if full else r"answers"):
            Server(path)
        for client in waiting:
            client.close()
    assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link", "datagrams"])
def test_what_is_no_control_socket_is_left_alone(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        match kind:
            case "file":
                path.touch()
            case "folder":
                path.mkdir()
            case "link":
                path.symlink_to(tmp_path / "elsewhere")
            case "datagrams":
                other.bind(str(path))
        before = path.lstat()
        with pytest.raises(TunerError, match=r"another socket"):
            Server(path)
    assert path.lstat() == before


def test_a_folder_where_anybody_could_replace_the_socket_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(TunerError, match=r"chmod o-w"):
        Server(folder / "socket")


def test_a_path_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TunerError, match=r"set another socket"):
        Server(tmp_path / ("x" * 150))


@pytest.mark.parametrize(
    "request_",
    [
        b"\n",
        b"status\n",
        b"{}\n",
        b"null\n",
        b'"status"\n',
        b'["command", "status"]\n',
        b'{"command": "reboot"}\n',
        b'{"command": ["status"]}\n',
        b'{"command": {"command": "status"}}\n',
        b'{"command": "status", "also": 1}\n',
        b' {"command": "status"}, \n{"command": "status"}\n',
        b'{"command": "\xff"}\n',
        b"\x00" * 100 + b"\n",
        b"[" * 4000 + b"\n",
        b"9" * 4090 + b"\n",
        b"a" * MAX_REQUEST_BYTES,
        b"a" * (1 << 16),
    ],
)
def test_anything_else_gets_one_line_of_error(request_: bytes, server: Server) -> None:
    assert "not a request" in server.exchange(request_)["error"]
    assert server.is_well()


def test_what_follows_the_first_line_counts_for_nothing(server: Server) -> None:
    request = b'{"command": "pause"}\n{"command": "resume"}\n' + b"x" * 10_000
    assert server.exchange(request) == {"command": "pause"}


def test_half_a_line_gets_an_error(server: Server) -> None:
    with server.client(b'{"command": "sta') as client:
        client.shutdown(socket.SHUT_WR)
        server.settle()
        assert "not a request" in json.loads(client.makefile().read())["error"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda command: 1 / 0, "ZeroDivisionError"),
        (lambda command: {"a": float("nan")}, "could not answer"),
        (lambda command: {"a": object()}, "could not answer"),
    ],
)
def test_a_daemon_that_cannot_answer_says_so(
    answer: Callable[[str], Mapping[str, Any]], says: str, tmp_path: Path
) -> None:
    with closing(Server(tmp_path / "socket", answer)) as server:
        assert says in server.exchange(b'{"command": "status"}\n')["error"]


def test_a_client_that_never_speaks_or_never_reads_is_closed_in_time(tmp_path: Path) -> None:
    with closing(Server(tmp_path / "socket", lambda command: LONG)) as server:
        silent, deaf = server.client(), server.client(b'{"command": "status"}\n')
        server.settle()
        assert server.control.deadline() == CLIENT_TIMEOUT_S
        server.now_s = CLIENT_TIMEOUT_S - 0.1
        server.settle()
        assert server.control.deadline() == CLIENT_TIMEOUT_S
        server.now_s = CLIENT_TIMEOUT_S
        server.settle()
        assert server.control.deadline() is None
        assert silent.recv(10) == b""
        silent.close()
        deaf.close()


def test_a_daemon_that_takes_long_does_not_hang_up_on_who_waits(tmp_path: Path) -> None:
    def answer(command: str) -> Mapping[str, Any]:
        server.now_s += 10.0 * CLIENT_TIMEOUT_S
        return LONG

    with closing(Server(tmp_path / "socket", answer)) as server:
        with server.client(b'{"command": "pause"}\n') as client:
            client.setblocking(False)
            received = b""
            while not received.endswith(b"\n"):
                server.turn()
                with suppress(BlockingIOError):
                    received += client.recv(1 << 20)
        assert json.loads(received) == LONG


def test_too_many_clients_are_told_so_and_do_not_stay(server: Server) -> None:
    clients = [server.client() for _ in range(MAX_CLIENTS)]
    server.settle()
    assert "try again" in server.exchange(b"")["error"]
    clients[3].sendall(b'{"command": "pause"}\n')
    server.settle()
    assert json.loads(clients[3].makefile().read()) == {"command": "pause"}
    assert server.is_well()
    server.now_s += CLIENT_TIMEOUT_S
    server.settle()
    assert server.is_well()
    for client in clients:
        client.close()


@pytest.mark.parametrize("request_", [b'{"command": "status"}\n', b"nonsense" * 1000])
def test_a_client_may_hang_up_at_any_point(request_: bytes, tmp_path: Path) -> None:
    with closing(Server(tmp_path / "socket", lambda command: LONG)) as server:
        nr_open = len(os.listdir("/proc/self/fd"))
        for length in range(0, len(request_) + 1, max(1, len(request_) // 50)):
            for turns in range(4):
                with server.client(request_[:length]):
                    for _ in range(turns):
                        server.turn()
                server.settle()
        assert server.control.deadline() is None
        assert len(os.listdir("/proc/self/fd")) == nr_open


def test_clients_that_are_ready_together_may_be_closed_by_one_another(server: Server) -> None:
    clients = [server.client() for _ in range(5)]
    server.settle()
    for client in clients:
        client.sendall(b'{"command": "status"}\n')
    newcomer = server.client()
    ready = server.selector.select(0.0)
    assert len(ready) == 6
    # The newcomer's arrival ends the others' time before their turn comes.
    server.now_s = CLIENT_TIMEOUT_S
    for key, mask in sorted(ready, key=lambda each: each[0].fileobj is not _listener(server)):
        key.data(mask)
    server.settle()
    assert server.is_well()
    for client in (*clients, newcomer):
        client.close()


def _received(client: socket.socket) -> str:
    received = b""
    # the daemon hangs up on what it does not read
    with suppress(ConnectionResetError):
        while more := client.recv(1 << 16):
            received += more
    return received.decode()


def _listener(server: Server) -> object:
    (key,) = (
        key
        for key in server.selector.get_map().values()
        if isinstance(key.fileobj, socket.socket)
        and key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    )
    return key.fileobj


def test_without_a_descriptor_left_it_rests_and_comes_back(server: Server) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10.0)
        client.connect(str(server.path))
        client.sendall(b'{"command": "status"}\n')
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            server.turn()
            # it would be ready again at once, for ever
            assert server.turn() == 0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert server.control.deadline() == 1.0
        server.now_s = 1.0
        server.turn()
        server.settle()
        assert json.loads(client.makefile().read()) == {"command": "status"}


OTHER_USER = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
    try:
        client.connect(sys.argv[1])
    except PermissionError:
        sys.exit("may not connect")
    print(client.recv(4096).decode(), end="")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_other_users_are_refused_whatever_the_files_mode(
    mode: int, server: Server, tmp_path: Path
) -> None:
    for folder in (server.path.parent, tmp_path, *tmp_path.parents[:3]):
        if folder != Path("/tmp"):
            folder.chmod(0o755)
    server.path.chmod(mode)
    with subprocess.Popen(
        [sys.executable, "-I", "-c", OTHER_USER, str(server.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as other:
        deadline_s = time.monotonic() + 20.0
        while other.poll() is None and time.monotonic() < deadline_s:
            server.turn(0.01)
        out, err = other.communicate(timeout=1.0)
    if mode == 0o600:
        assert err == "may not connect\n"
    else:
        assert err == ""
        assert "only root" in json.loads(out)["error"]


def test_hostile_requests_are_never_requests() -> None:
    rng = random.Random(1)
    for _ in range(2000):
        told = json.loads(reply_to(hostile_request(rng)[:MAX_REQUEST_BYTES], _echo))
        assert "not a request" in told["error"]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_clients_do_breaks_the_socket(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    path = tmp_path / "socket"
    nr_open = len(os.listdir("/proc/self/fd"))
    commands: list[str] = []

    def answer(command: str) -> Mapping[str, Any]:
        commands.append(command)
        return {"command": command}

    with serving(path, answer):
        for _ in range(300):
            reply = attack(path, rng)
            assert reply == b"" or "not a request" in json.loads(reply)["error"]
        assert commands == []
        for command in COMMANDS:
            assert ask(path, command) == {"command": command}
    assert len(os.listdir("/proc/self/fd")) == nr_open


@pytest.mark.parametrize("state", ["absent", "dead"])
def test_without_a_daemon_the_client_says_how_to_start_one(state: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    if state == "dead":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
            dead.bind(str(path))
    with pytest.raises(TunerError, match=r"systemctl start damon-tunerd"):
        ask(path, "status")


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (None, "did not answer within 0.2 s"),
        (b'{"a": ', "broke off"),
        (b"[]\n", "broke off"),
        (b'{"error": "not\\nnow \\u001b[2J"}\n', r"refused: not now \x1b[2J"),
    ],
)
def test_a_daemon_that_answers_badly_is_one_line(
    sent: bytes | None, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "socket"

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            client.recv(1000)
            if sent is None:
                client.recv(1000)
            else:
                client.sendall(sent)

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with pytest.raises(TunerError) as caught:
            ask(path, "status", timeout_s=0.2 if sent is None else 10.0)
        thread.join(10.0)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
