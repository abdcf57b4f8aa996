"""Hostile policy files, configurations and requests: each is refused, and nothing breaks."""

from __future__ import annotations

import random
import selectors
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from damon_tuner.benchmarks.daemon.harness import harness
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.daemon.config import load_config
from damon_tuner.daemon.control_socket import ControlSocket
from damon_tuner.daemon.service import PRETRAINED
from damon_tuner.errors import ConfigError, PolicyFileError
from damon_tuner.policies.policy_file import load_policy

EACH = 4_000
_MOST_CHANGES = 4
_NAMED = 10


def hostile_figure(each: int = EACH, seed: int = 1) -> Figure:
    """Try ``each`` mutated policy files, configurations and clients."""
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, attempt in (
            ("policies", _policies(folder, rng)),
            ("configurations", _configurations(folder, rng)),
        ):
            for number in range(each):
                _try(attempt, f"{kind} {number}", outcomes, failed)
        _clients(folder, rng, each, outcomes, failed)
    survived = sum(outcomes.values()) - len(failed)
    more = {"of": 3 * each, "outcomes": dict(outcomes), "failed": failed[:_NAMED]}
    return Figure("daemon.hostile_inputs", survived, "inputs", more)


def _try(attempt: Callable[[], str], name: str, outcomes: Counter[str], failed: list[str]) -> None:
    try:
        outcomes[attempt()] += 1
    except Exception as error:
        outcomes["an exception"] += 1
        failed.append(f"{name}: {error!r}")


def _policies(folder: Path, rng: random.Random) -> Callable[[], str]:
    good, path = PRETRAINED.read_bytes(), folder / "policy"

    def attempt() -> str:
        path.write_bytes(mutated_bytes(good, rng))
        try:
            load_policy(path).network()
        except PolicyFileError as error:
            return _refused("policy", str(error))
        # only what was not changed at all passes its own checksum
        if path.read_bytes() != good:
            raise AssertionError("an altered policy was taken")
        return "policy unchanged"

    return attempt


def mutated_bytes(good: bytes, rng: random.Random) -> bytes:
    """Damage bytes as disks, editors and enemies do."""
    data = bytearray(good)
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + rng.randrange(64)]
            case 2:
                data[at:at] = rng.randbytes(rng.randrange(64))
            case 3:
                data[at : at + 1] = rng.randbytes(1)
            case _:
                data[:8] = rng.randbytes(8)
    return bytes(data)


def _configurations(folder: Path, rng: random.Random) -> Callable[[], str]:
    mutations, examples = harness("daemon.config.mutations"), harness("daemon.config.examples")
    good, path = examples.uncommented().encode(), folder / "damon-tunerd.toml"

    def attempt() -> str:
        path.write_bytes(mutations.mutated(good, rng))
        try:
            load_config(path)
        except ConfigError as error:
            for problem in error.problems:
                _refused("configuration", problem)
            return "configuration refused"
        return "configuration still good"

    return attempt


def _refused(what: str, message: str) -> str:
    if not message or "\n" in message or "Traceback" in message:
        raise AssertionError(f"not one line: {message[:200]!r}")
    return f"{what} refused"


def _clients(
    folder: Path, rng: random.Random, count: int, outcomes: Counter[str], failed: list[str]
) -> None:
    """Attack a socket that is served as the daemon's loop serves it."""
    attack, asked, stopped = harness("daemon.hostile_requests").attack, [], threading.Event()
    path, opened = folder / "run" / "socket", threading.Event()

    def answer(command: str) -> dict[str, object]:
        asked.append(command)
        return {"phase": "managing"}

    def serve() -> None:
        with selectors.DefaultSelector() as selector:
            socket = ControlSocket(path, selector, answer)
            socket.open()
            opened.set()
            try:
                while not stopped.is_set():
                    for key, mask in selector.select(0.02):
                        key.data(mask)
                    socket.expire()
            except BaseException as error:
                failed.append(f"the loop: {error!r}")
            finally:
                socket.close()

    thread = threading.Thread(target=serve)
    thread.start()
    opened.wait(10.0)
    try:
        for number in range(count):
            said = attack(path, rng)
            outcomes["client refused" if said else "client gone"] += 1
            if said and not said.startswith(b'{"error":'):
                failed.append(f"client {number} was answered {said[:80]!r}")
    finally:
        stopped.set()
        thread.join()
    if asked:
        failed.append(f"commands were carried out: {asked[:3]}")
