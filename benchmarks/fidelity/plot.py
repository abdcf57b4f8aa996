"""Pictures of the real and the simulated heat, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damon_tuner.benchmarks.fidelity.distance import SAMPLES, Series, heat_of_pages
from damon_tuner.benchmarks.fidelity.golden import GOLDEN, PATTERNS, golden
from damon_tuner.benchmarks.fidelity.recording import PAGE_BYTES
from damon_tuner.benchmarks.fidelity.simulate import load_pages, recorded, simulate
from damon_tuner.benchmarks.plots import new_figure

SHOWN = ("stairs", "moving", "rates", "growing", "zigzag")
_ROWS, _COLUMNS = 256, 180
_MIB = 1 << 20


def draw_fidelity(
    path: Path, patterns: Sequence[str] = SHOWN, operations: str = "vaddr", folder: Path = GOLDEN
) -> None:
    """Draw heat maps of the kernel and the simulator, a pattern a row, to ``path``."""
    figure, axes = new_figure(len(patterns), 2, (9.0, 1.7 * len(patterns) + 0.6))
    image: Any = None
    for row, pattern in zip(np.atleast_2d(axes), patterns, strict=True):
        recording = golden(pattern, operations, 1, folder)
        pair = (recorded(recording), simulate(recording, 1))
        for axis, series in zip(row, pair, strict=True):
            image = _draw(axis, series, load_pages(recording))
        row[0].set_ylabel(f"{pattern}\nMiB")
    first = np.atleast_2d(axes)[0]
    first[0].set_title("DAMON of Linux 7.3, " + operations)
    first[1].set_title("the simulator")
    for axis in np.atleast_2d(axes)[-1]:
        axis.set_xlabel("seconds")
    figure.colorbar(image, ax=axes, label="nr_accesses, samples of 20", shrink=0.6)
    figure.savefig(path)


def draw_all(out: Path, folder: Path = GOLDEN) -> list[Path]:
    """Draw every pattern under both operations sets; returns the files."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for operations in ("vaddr", "paddr"):
        paths.append(out / f"fidelity-{operations}.png")
        draw_fidelity(paths[-1], PATTERNS, operations, folder)
    return paths


def _draw(axis: Any, series: Series, nr_pages: int) -> Any:
    axis.grid(False)
    return axis.imshow(
        _heat_map(series, nr_pages),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="inferno",
        vmin=0,
        vmax=SAMPLES,
        extent=(0.0, float(series.time_s[-1]), 0.0, nr_pages * PAGE_BYTES / _MIB),
    )


def _heat_map(series: Series, nr_pages: int) -> NDArray[np.float64]:
    """Mean heat of the load's memory, of the aggregation that is nearest to each column."""
    edges = np.linspace(0, nr_pages, _ROWS + 1).astype(np.int64)
    columns = []
    for at_s in np.linspace(0.0, series.time_s[-1], _COLUMNS):
        heat = heat_of_pages(series, int(np.abs(series.time_s - at_s).argmin()))
        before = np.concatenate(([0], np.cumsum(heat)))
        columns.append(np.diff(before[edges]) / np.diff(edges))
    return np.array(columns).T
