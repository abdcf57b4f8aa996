"""Page-seconds of a load by what decides where they should be.

A cell is memory of one rate, one bloat, one host load, for some time. Cells are gathered on a
grid: one between two points counts as the mixture of both that has its mean. The best places for a
mixture cost at most what the best one for its mean does, so that a bound stays a bound.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]

RATES_HZ: Floats = np.concatenate(
    [
        [0.0],
        np.geomspace(1e-7, 1e-4, 30)[:-1],
        np.geomspace(1e-4, 1e2, 480),
        1.3 ** np.arange(18, 62),
    ]
)
"""Accesses of a page a second."""
BLOATS: Floats = np.concatenate([[0.0], 0.02 * 1.6 ** np.arange(24)])
"""Untouched pages that a huge page holds for each touched one; more counts as the last."""
LOADS: Floats = np.linspace(0.0, 1.0, 9)
"""Busy share of the host's CPUs."""
_US_STEP = 1.2
US_PER_ACCESS: Floats = np.concatenate([[0.0], 1e-9 * _US_STEP ** np.arange(200)])
"""Microseconds that the tenant works for each access of one of its pages."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Arrays of shape (cells,): what each is, and ``page_s``, its touched pages times seconds."""

    page_s: Floats
    rate_hz: Floats
    bloat: Floats
    is_file: NDArray[np.bool_]
    load: Floats
    us_per_access: Floats


def split(values: Floats, grid: Floats) -> tuple[Indices, Floats]:
    """The point of ``grid`` below each value, and how much of it belongs to the one above."""
    below = np.clip(np.searchsorted(grid, values, side="right") - 1, 0, len(grid) - 2)
    above = (values - grid[below]) / (grid[below + 1] - grid[below])
    return below, np.clip(above, 0.0, 1.0)


def _split_one(value: float, grid: Floats) -> list[tuple[int, float]]:
    """As ``split``: the points around a value that have a part of it, and how much."""
    below = min(max(bisect_right(grid, value) - 1, 0), len(grid) - 2)
    above = float((value - grid[below]) / (grid[below + 1] - grid[below]))
    parts = (below, 1.0 - min(above, 1.0)), (below + 1, min(above, 1.0))
    return [(at, part) for at, part in parts if part > 0.0]


class CellCounter:
    """Adds up the cells of one tenant while its load changes.

    ``is_file`` (blocks,) tells which blocks hold pages of files.
    """

    def __init__(self, is_file: NDArray[np.bool_], pages_per_block: float) -> None:
        self._is_file = is_file.astype(np.intp)
        self._pages_per_block = pages_per_block
        # touched pages now, and page-seconds by load and microseconds an access
        self._now = np.zeros((len(BLOATS), 2, len(RATES_HZ)))
        self._nr_bloats = 0
        self._sums: dict[tuple[int, int], Floats] = {}
        # time that passed since the last change, by the same
        self._passed_s: dict[tuple[int, int], float] = {}

    def change(
        self, blocks: Indices, before: tuple[Floats, Floats], now: tuple[Floats, Floats]
    ) -> None:
        """Change the rates and touched shares of ``blocks``, all arrays (changed,)."""
        self._catch_up()
        rates_hz, touched = (np.concatenate(pair) for pair in zip(before, now, strict=True))
        is_file = np.tile(self._is_file[blocks], 2)
        rate, rate_above = split(rates_hz, RATES_HZ)
        bloat, bloat_above = split(1.0 / np.maximum(touched, 1e-9) - 1.0, BLOATS)
        self._nr_bloats = max(self._nr_bloats, int(bloat.max()) + 2)
        pages = touched * np.repeat([-self._pages_per_block, self._pages_per_block], len(blocks))
        for i in (0, 1):
            for j in (0, 1):
                part = (bloat_above if i else 1 - bloat_above) * (
                    rate_above if j else 1 - rate_above
                )
                at = (bloat + i, is_file, rate + j)
                np.add.at(self._now, at, pages * part)

    def pass_time(self, seconds: float, load: float, us_per_access: float) -> None:
        """Let time pass with the load as it is."""
        for at_load, load_part in _split_one(load, LOADS):
            for at_cost, cost_part in _split_one(us_per_access, US_PER_ACCESS):
                key = at_load, at_cost
                part_s = seconds * load_part * cost_part
                self._passed_s[key] = self._passed_s.get(key, 0.0) + part_s

    def _catch_up(self) -> None:
        # most loads touch blocks as a whole, and need but few of the rows
        rows = slice(self._nr_bloats)
        for key, seconds in self._passed_s.items():
            if key not in self._sums:
                self._sums[key] = np.zeros_like(self._now)
            self._sums[key][rows] += seconds * self._now[rows]
        self._passed_s.clear()

    def cells(self) -> Cells:
        """Every cell that there was."""
        self._catch_up()
        parts = []
        for (load, cost), sums in self._sums.items():
            # what rounding left of memory that went away is no memory
            bloat, file, rate = np.nonzero(sums > 1e-6)
            parts.append(
                Cells(
                    page_s=sums[bloat, file, rate],
                    rate_hz=RATES_HZ[rate],
                    bloat=BLOATS[bloat],
                    is_file=file.astype(np.bool_),
                    load=np.full(len(file), LOADS[load]),
                    us_per_access=np.full(len(file), US_PER_ACCESS[cost]),
                )
            )
        return _join(parts)


def merged(cells: Cells, *, bloat: bool, load: bool, us_per_access: bool) -> Cells:
    """The same cells, those alike put together, where some of what they are does not matter."""
    zero = np.zeros_like(cells.page_s)
    columns = (
        cells.rate_hz,
        cells.is_file.astype(np.float64),
        cells.bloat if bloat else zero,
        cells.load if load else zero,
        cells.us_per_access if us_per_access else zero,
    )
    order = np.lexsort(columns)
    rows = np.array(columns)[:, order]
    starts = np.flatnonzero(np.append(True, (rows[:, 1:] != rows[:, :-1]).any(axis=0)))
    page_s = np.add.reduceat(cells.page_s[order], starts)
    rate_hz, is_file, *rest = rows[:, starts]
    return Cells(page_s, rate_hz, rest[0], is_file > 0.0, rest[1], rest[2])


def _join(parts: list[Cells]) -> Cells:
    def column(name: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(part, name) for part in parts])

    return Cells(
        column("page_s"),
        column("rate_hz"),
        column("bloat"),
        column("is_file").astype(np.bool_),
        column("load"),
        column("us_per_access"),
    )
