"""Items as tasks of a Ray cluster that is running already."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from damon_tuner.errors import TunerError
from damon_tuner.near import one_line
from damon_tuner.training.workers_local import RETRIES, died

# Tasks that wait for each CPU: a worker that is done finds the next one there.
_AHEAD = 2
_KNOCK_S = 10.0

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_on_ray(
    function: Callable[[Item], Result], items: Sequence[Item], address: str
) -> Iterator[tuple[int, Result]]:
    """Run items on the cluster at ``address``; raises as :func:`run_all`."""
    ray = _connected(address)
    pending: dict[Any, int] = {}
    try:
        task = ray.remote(max_retries=RETRIES)(_call)
        at_once = max(int(ray.cluster_resources().get("CPU", 1)), 1) * _AHEAD
        waiting = iter(enumerate(items))
        while True:
            for index, item in waiting:
                pending[task.remote(function, item)] = index
                if len(pending) >= at_once:
                    break
            if not pending:
                return
            done, _ = ray.wait(list(pending))
            for reference in done:
                index = pending.pop(reference)
                yield index, _result(ray, reference, index)
    finally:
        for reference in pending:
            ray.cancel(reference, force=True)
        ray.shutdown()


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    """What a task is: Ray takes no built-in functions as such."""
    return function(item)


def _connected(address: str) -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise TunerError(
            "--ray needs Ray: run pip install '.[ray]' in this project's folder"
        ) from None
    try:
        if address != "auto":
            _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise TunerError(
            f"no Ray cluster at {address} ({one_line(error)}): start one with ray start --head"
        ) from None
    return ray


def _knock(address: str) -> None:
    """Raise OSError or ValueError where nobody listens: Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=_KNOCK_S):
        pass


def _result(ray: Any, reference: Any, index: int) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        error.cause.add_note(str(error))
        raise error.cause from None
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError):
        raise died(index) from None
