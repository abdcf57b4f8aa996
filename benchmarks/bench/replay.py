"""Run the episode of a row again: it must come out the same, to the bit."""

from __future__ import annotations

from damon_tuner.benchmarks.bench.cells import EpisodesCell, Row
from damon_tuner.benchmarks.bench.entry import Entry
from damon_tuner.benchmarks.bench.store import Store
from damon_tuner.benchmarks.sets import WorkloadSets, workload_digest
from damon_tuner.envs.workload_file import Workload
from damon_tuner.errors import TunerError

MEASURED = ("saving", "resident_saving", "slowdown", "breaches")


def replay(store: Store, row_id: str, sets: WorkloadSets) -> tuple[Row, Row]:
    """Return the row as it was reported, and as it is now.

    Raises:
        TunerError: there is no such row, or its workload is not in ``sets`` as it was.

    """
    row = store.row(row_id)
    sha256 = row["policy_sha256"]
    entry = Entry(
        row["contender"],
        row["kind"],
        tuple(row["groups"]),
        row["training_seed"],
        store.policy(sha256) if sha256 else b"",
        tuple(row["action"]),
        row["rule"],
    )
    workload = _workload(row, sets)
    cell = EpisodesCell(
        entry, row["set"], workload, row["budget"], (row["seed"],), row["episode_s"]
    )
    return row, cell.measure()[0]


def is_same(row: Row, again: Row) -> bool:
    """Whether all that was measured is equal, bit for bit."""
    return all(row[name] == again[name] for name in MEASURED)


def _workload(row: Row, sets: WorkloadSets) -> Workload:
    for workload in sets.get(row["set"], ()):
        if workload.name == row["workload"]:
            if workload_digest(workload) != row["workload_digest"]:
                break
            return workload
    raise TunerError(
        f"{row['workload']} of {row['set']} is not here as it was: "
        "give the --recordings of the benchmark"
    )
