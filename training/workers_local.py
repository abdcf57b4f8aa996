"""Items on processes of this machine."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from damon_tuner.errors import TunerError

RETRIES = 2
"""How often an item is run again after its worker has died."""

# What a terminal sends to all its processes: this one answers, and ends the others.
_OURS = (signal.SIGINT, signal.SIGHUP)
_JOIN_S = 5.0

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_here(
    function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[int, Result]]:
    """Run one item after the other in this process."""
    for index, item in enumerate(items):
        yield index, function(item)


def run_on_processes(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[tuple[int, Result]]:
    """Run items on so many processes, which are gone when this ends, however it does."""
    crew = _Crew(function, items, min(workers, len(items)))
    try:
        yield from crew.run()
    finally:
        crew.dismiss()


def died(index: int) -> TunerError:
    """What to raise for an item that no worker survives."""
    return TunerError(
        f"the worker of item {index} died {RETRIES + 1} times: is memory short? use fewer workers"
    )


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    connection: Connection
    index: int | None = None


@dataclass(slots=True)
class _Crew:
    function: Callable[[Any], Any]
    items: Sequence[Any]
    size: int
    _workers: list[_Worker] = field(default_factory=list)
    _waiting: deque[int] = field(default_factory=deque)
    _deaths: dict[int, int] = field(default_factory=dict)

    def run(self) -> Iterator[tuple[int, Any]]:
        self._waiting.extend(range(len(self.items)))
        left = len(self.items)
        while left:
            self._employ()
            for ready in wait([worker.connection for worker in self._workers]):
                worker = next(each for each in self._workers if each.connection is ready)
                answer = self._answer(worker)
                if answer is not None:
                    left -= 1
                    yield answer

    def dismiss(self) -> None:
        for worker in self._workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_JOIN_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.process.close()
        self._workers.clear()

    def _employ(self) -> None:
        """Have as many workers as can be of use, each with an item."""
        while len(self._workers) < self.size:
            self._workers.append(_new_worker(self.function))
        for worker in self._workers:
            if worker.index is None and self._waiting:
                index = self._waiting.popleft()
                worker.index = index
                try:
                    worker.connection.send(self.items[index])
                except (BrokenPipeError, ConnectionResetError):
                    # it died before it had anything to do: what is waited for tells
                    continue

    def _answer(self, worker: _Worker) -> tuple[int, Any] | None:
        """A worker's result, or None where it has died, and its item waits again."""
        index = worker.index
        try:
            is_result, value = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            self._bury(worker)
            return None
        if not is_result:
            raise value
        worker.index = None
        assert index is not None
        return index, value

    def _bury(self, worker: _Worker) -> None:
        worker.connection.close()
        worker.process.join()
        worker.process.close()
        self._workers.remove(worker)
        if worker.index is None:
            return
        self._deaths[worker.index] = self._deaths.get(worker.index, 0) + 1
        if self._deaths[worker.index] > RETRIES:
            raise died(worker.index)
        self._waiting.append(worker.index)


def _new_worker(function: Callable[[Any], Any]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(function, theirs), daemon=True)
    # it would unblock the signals when the first process starts
    resource_tracker.ensure_running()
    # inherited: no worker answers a terminal, not even while it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    return _Worker(process, ours)


def _work(function: Callable[[Any], Any], connection: Connection) -> None:
    """Answer items until there is nobody to answer."""
    try:
        while True:
            item = connection.recv()
            try:
                answer = (True, function(item))
            except Exception as error:
                error.add_note(traceback.format_exc())
                answer = (False, error)
            connection.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
