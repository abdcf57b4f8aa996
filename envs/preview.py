"""What a workload looks like: how often which part of its memory is used, over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.envs.recorded import load_recording
from damon_tuner.envs.workload_file import (
    Workload,
    bundled_workload,
    load_workload,
    recorded_workload,
)

DEFAULT_SECONDS = 600.0
# Columns of time, and rows of memory.
_COLUMNS, _ROWS = 72, 24
_SAMPLES_A_COLUMN = 4
# Accesses a second of each page from which a sign counts.
_SIGNS = ((100.0, "#"), (10.0, "*"), (1.0, "+"), (0.1, "-"), (0.01, ":"), (0.0, "."))


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Rates (accesses a second of each touched page) and touched shares, rows by columns.

    The first row is the lowest address, the first column the beginning of the episode.
    """

    name: str
    seconds: float
    footprint_bytes: float
    rate_hz: NDArray[np.float64]
    touched: NDArray[np.float64]
    parameters: Mapping[str, float]
    note: str = ""

    def text(self) -> str:
        """For a terminal: a sign for each part of memory and time, and what was drawn."""
        lines = [
            f"{self.name}: {self.footprint_bytes / 2**20:,.1f} MiB over {self.seconds:g} s; "
            f"{self.touched.mean():.0%} of it touched, on average"
        ]
        for rates, touched in zip(self.rate_hz, self.touched, strict=True):
            lines.append("".join(map(_sign, rates, touched)))
        lines.append("down: memory; across: time; accesses a second of each touched page:")
        lines.append(
            ", ".join(f"{sign} from {least:g}" for least, sign in _SIGNS) + ", blank: untouched"
        )
        lines.append(", ".join(f"{key} {value:.4g}" for key, value in self.parameters.items()))
        if self.note:
            lines.append(self.note)
        return "\n".join(lines)


def _sign(rate_hz: float, touched: float) -> str:
    return next(sign for least, sign in _SIGNS if rate_hz >= least) if touched > 0.0 else " "


def find_workload(name: str) -> Workload:
    """A workload file, a recording or folder of experience, or a bundled workload's name.

    Raises:
        WorkloadFileError, RecordingError: there is no such thing, or it makes no sense.

    """
    path = Path(name)
    if path.suffix == ".toml":
        return load_workload(path)
    if path.exists():
        return recorded_workload(path.name, load_recording(path))
    return bundled_workload(name)


def preview(workload: Workload, seed: int = 0, seconds: float | None = None) -> Heatmap:
    """Play one episode that nobody manages.

    ``seconds`` defaults to one passage of a recording, and to ten minutes of all else.
    """
    length = (workload.recording.loop_s if workload.recording else 0.0) or DEFAULT_SECONDS
    seconds = seconds or length
    # DAMON is not looked at here, so it does as little as it can
    batch = _core.Batch(1, 1, 10_000, 100_000, 3, 3)
    batch.reset(0, workload.spec(), seed % 2**64, 1.0)
    drawn = batch.parameters(0)
    rates, shares = [], []
    for _ in range(_COLUMNS):
        rate, share = _column(batch, seconds / _COLUMNS)
        rates.append(rate)
        shares.append(share)
    names = [name for name, *_ in _core.FAMILIES.get(workload.family, _core.RECORDED)]
    return Heatmap(
        workload.name,
        seconds,
        drawn["footprint_bytes"],
        np.column_stack(rates),
        np.column_stack(shares),
        {name: drawn[name] for name in names},
        workload.recording.note if workload.recording else "",
    )


def _column(batch: _core.Batch, seconds: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean rate and touched share of each row over so long a time."""
    accesses, touched = np.zeros(_ROWS), np.zeros(_ROWS)
    for _ in range(_SAMPLES_A_COLUMN):
        load = np.array(batch.load(0))
        row = np.arange(_ROWS + 1) * len(load) / _ROWS
        accesses += _integral(load.prod(axis=1), row)
        touched += _integral(load[:, 1], row)
        batch.step(None, max(round(seconds / _SAMPLES_A_COLUMN * 1e6), 1))
    rates = np.divide(accesses, touched, out=np.zeros(_ROWS), where=touched > 0)
    return rates, touched / (np.diff(row)[0] * _SAMPLES_A_COLUMN)


def _integral(values: NDArray[np.float64], bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of ``values``, each for one block, between fractional block numbers."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.diff(np.interp(bounds, np.arange(len(total)), total))
