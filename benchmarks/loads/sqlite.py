"""SQLite in memory: orders, of which the recent ones are worked on, and reports on old ones."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from random import Random

from damon_tuner.benchmarks.loads.driver import drive
from damon_tuner.benchmarks.loads.values import Values

_ORDERS, _NOTE_BYTES, _AT_ONCE = 180_000, 1_100, 1_000
_MEAN_AGE_ORDERS = 8_000
_TRANSACTIONS, _THINK_S = 10, 0.2
_MONTHS, _REPORT_S = 12, 45.0


def main() -> None:
    """Fill the database, and work with it for ever."""
    rng = Random(1)
    values = Values(_NOTE_BYTES, rng)
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, cents INTEGER, note BLOB)"
    )
    for first in range(0, _ORDERS, _AT_ONCE):
        with database:
            database.execute("BEGIN")
            rows = [_order(first + index, values, rng) for index in range(_AT_ONCE)]
            database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
    drive(os.getpid(), _rounds(database, values, rng))


def _order(number: int, values: Values, rng: Random) -> tuple[int, int, int, bytes]:
    return number, rng.randrange(5_000), rng.randrange(100_000), values.draw()


def _rounds(database: sqlite3.Connection, values: Values, rng: Random) -> Iterator[int]:
    newest = _ORDERS - 1
    month = _ORDERS // _MONTHS
    next_report_s = time.monotonic() + _REPORT_S
    while True:
        for _ in range(_TRANSACTIONS):
            newest += 1
            _transact(database, _order(newest, values, rng), rng)
        if time.monotonic() >= next_report_s:
            next_report_s += _REPORT_S
            first = rng.randrange(_MONTHS) * month
            query = "SELECT sum(cents), max(length(note)) FROM orders WHERE id >= ? AND id < ?"
            database.execute(query, (first, first + month)).fetchone()
        yield _TRANSACTIONS
        time.sleep(_THINK_S)


def _transact(
    database: sqlite3.Connection, order: tuple[int, int, int, bytes], rng: Random
) -> None:
    """Add an order, and look at some recent ones, one of which changes."""
    recent = [max(order[0] - int(rng.expovariate(1.0 / _MEAN_AGE_ORDERS)), 0) for _ in range(5)]
    with database:
        database.execute("BEGIN")
        database.execute("INSERT INTO orders VALUES (?, ?, ?, ?)", order)
        for number in recent:
            database.execute("SELECT note FROM orders WHERE id = ?", (number,)).fetchone()
        database.execute("UPDATE orders SET cents = cents + 1 WHERE id = ?", (recent[0],))


if __name__ == "__main__":
    main()
