"""A batch job with NumPy: one data set after the other is fitted, in small steps."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from damon_tuner.benchmarks.loads.driver import drive

_SETS, _ROWS, _COLUMNS = 6, 40_960, 256
_AT_ONCE, _RANGE = 512, 4096
_SET_S = 40.0
_THINK_S = 0.1
_STEP = 1e-3


def main() -> None:
    """Make the data sets, and fit them for ever."""
    rng = np.random.default_rng(1)
    # readings of twelve bits, as floats: zram finds next to nothing to compress in them
    sets = [
        rng.integers(0, _RANGE, size=(_ROWS, _COLUMNS), dtype=np.int32).astype(np.float32)
        for _ in range(_SETS)
    ]
    drive(os.getpid(), _rounds(sets, rng))


def _rounds(sets: list[NDArray[np.float32]], rng: np.random.Generator) -> Iterator[int]:
    began = time.monotonic()
    weights = np.zeros(_COLUMNS, dtype=np.float32)
    while True:
        data = sets[int((time.monotonic() - began) / _SET_S) % _SETS]
        first = int(rng.integers(_ROWS - _AT_ONCE))
        batch = data[first : first + _AT_ONCE] / np.float32(_RANGE)
        error = batch @ weights - batch.mean(axis=1)
        weights -= np.float32(_STEP / _AT_ONCE) * (error @ batch)
        yield 1
        time.sleep(_THINK_S)


if __name__ == "__main__":
    main()
