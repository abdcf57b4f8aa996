"""Run a benchmark: what its folder does not hold yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from damon_tuner.benchmarks.bench.cells import BOUNDS, EPISODES, Cell, measure
from damon_tuner.benchmarks.bench.plan import Plan
from damon_tuner.benchmarks.bench.store import Store
from damon_tuner.benchmarks.score import Results
from damon_tuner.training.progress import progress_interval_s
from damon_tuner.training.workers import run_all


def run_bench(plan: Plan, store: Store, *, workers: int = 1, ray: str | None = None) -> Results:
    """Measure the cells of ``plan`` that ``store`` lacks, and read all of them.

    Each cell is kept as soon as it is finished: what is interrupted goes on from there.

    Raises:
        TunerError: a cell cannot be kept or read, or its worker died again and again.

    """
    store.begin()
    for entry in plan.entries:
        if entry.policy:
            store.keep_policy(entry.policy_sha256, entry.policy)
    searches = plan.searches()
    # a search takes longest: none of them should be what is waited for at the end
    cells: list[Cell] = [search.cell for search in searches]
    cells += [*plan.bounds(), *plan.episodes()]
    nr_later = sum(len(plan.searched_episodes(search, ())) for search in searches)
    with tqdm(
        total=len(cells) + nr_later,
        desc="benchmark",
        unit="cell",
        mininterval=progress_interval_s(),
    ) as bar:
        _measure(cells, store, bar, workers, ray)
        found: list[Cell] = [
            cell
            for search in searches
            for cell in plan.searched_episodes(search, store.read(search.cell)[0]["action"])
        ]
        _measure(found, store, bar, workers, ray)
    store.finish([*cells, *found])
    return read_results(store)


def compare(plan: Plan, *, workers: int = 1) -> Results:
    """The same without a folder: nothing is kept."""
    with TemporaryDirectory(prefix="damon-tuner-") as folder:
        return run_bench(plan, Store(Path(folder)), workers=workers)


def read_results(store: Store) -> Results:
    """What the last finished run of a folder was made of; raises ``TunerError`` without one."""
    return Results(store.rows(EPISODES), store.rows(BOUNDS))


def _measure(cells: Sequence[Cell], store: Store, bar: Any, workers: int, ray: str | None) -> None:
    missing = [cell for cell in cells if not store.has(cell)]
    bar.update(len(cells) - len(missing))
    for index, rows in run_all(measure, missing, workers=workers, ray=ray):
        store.write(missing[index], rows)
        bar.update()
