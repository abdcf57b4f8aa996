"""A program as a sequence of layers: the state of all memory, from one instant to the next.

The rows of a program only say what changes, of which the simulator takes a limited number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damon_tuner.envs.recorded.recording import Rows

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layer:
    """From ``at_s`` on, ``state`` (rate_hz, touched_share) from each of ``starts`` to the next.

    The first start is 0, and the last part has no end.
    """

    at_s: float
    starts: _Floats
    state: _Floats

    def at(self, starts: _Floats) -> _Floats:
        """The state at these bytes."""
        return self.state[np.searchsorted(self.starts, starts, side="right") - 1]


def layer_of(at_s: float, rows: Rows) -> Layer:
    """What rows of one instant, which do not overlap, say; what they leave out is untouched."""
    rows = rows[np.argsort(rows[:, 1])]
    starts = np.unique(np.concatenate([[0.0], rows[:, 1], rows[:, 2]]))
    which = np.searchsorted(rows[:, 1], starts, side="right") - 1
    inside = (which >= 0) & (starts < rows[which, 2])
    return Layer(at_s, starts, np.where(inside[:, None], rows[which, 3:], 0.0))


def newest_rows(layers: Sequence[Layer], end_byte: float, max_rows: int) -> tuple[Rows, int]:
    """The rows that play the newest of these layers, from time 0; and how many layers these are.

    One of them is played whatever ``max_rows`` says.
    """
    changes: list[Rows] = []
    nr_played, nr_rows = 1, 0
    for before, layer in zip(layers[-2::-1], layers[::-1], strict=False):
        rows = _changes(before, layer, end_byte)
        nr_rows += len(rows)
        if nr_rows + len(before.starts) > max_rows:
            break
        changes.append(rows)
        nr_played += 1
    first = layers[-nr_played]
    table = np.concatenate([_rows_of(first, end_byte), *reversed(changes)])
    table[:, 0] -= first.at_s
    return table, nr_played


def _rows_of(layer: Layer, end_byte: float) -> Rows:
    return _rows(layer.at_s, layer.starts, layer.state, end_byte)


def _changes(before: Layer, layer: Layer, end_byte: float) -> Rows:
    """The rows that turn one layer into the next."""
    starts = np.union1d(before.starts, layer.starts)
    state = layer.at(starts)
    differs = (state != before.at(starts)).any(axis=1)
    return _rows(layer.at_s, starts, state, end_byte, differs)


def _rows(
    at_s: float,
    starts: _Floats,
    state: _Floats,
    end_byte: float,
    wanted: NDArray[np.bool_] | None = None,
) -> Rows:
    """A row for each run of neighbours that are ``wanted`` and of the same state."""
    wanted = starts < end_byte if wanted is None else wanted & (starts < end_byte)
    ends = np.minimum(np.append(starts[1:], end_byte), end_byte)
    goes_on = wanted[1:] & wanted[:-1] & (state[1:] == state[:-1]).all(axis=1)
    first = wanted & ~np.concatenate([[False], goes_on])
    last = wanted & ~np.concatenate([goes_on, [False]])
    at = np.full(int(first.sum()), at_s)
    return np.column_stack([at, starts[first], ends[last], state[first]])
