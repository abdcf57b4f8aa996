"""Many independent items, on processes of this machine or on a Ray cluster: the same results.

A worker that dies takes nothing with it: its item is run again, at most twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from damon_tuner.training.workers_local import run_here, run_on_processes

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_all(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int = 1,
    ray: str | None = None,
) -> Iterator[tuple[int, Result]]:
    """Yield (index of the item, result) as items finish, in no order.

    ``function`` must be of a module, and it, items and results must be picklable. One worker is
    this process, more are others. ``ray`` is the address of a running cluster ("auto" finds it),
    whose machines have this package; it has as many workers as it has CPUs.

    Raises:
        TunerError: an item's worker died each time, or there is no such cluster.
        Exception: what ``function`` raised, with its traceback as a note.

    """
    if ray is not None:
        from damon_tuner.training.workers_ray import run_on_ray

        return run_on_ray(function, items, ray)
    if workers == 1:
        return run_here(function, items)
    return run_on_processes(function, items, workers)
