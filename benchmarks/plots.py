"""One look for every picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from damon_tuner.envs.preview import Heatmap

# All that is used less looks the same.
LEAST_RATE_HZ = 1e-3

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "none": "#7f7f7f",
        "damon_reclaim": "#1f77b4",
        "pageout_5s": "#d62728",
        "pageout_30s": "#ff7f0e",
        "learned": "#2ca02c",
    }
)

# of those that have no colour of their own
_OTHERS = [
    # of each hue the two darkest shades: the others are too pale for a point
    colormaps[palette](hue + shade)
    for shade in (0, 1)
    for palette in ("tab20b", "tab20c")
    for hue in range(0, 20, 4)
]


def colours_of(names: Sequence[str]) -> dict[str, Any]:
    """A colour for each of these names: its own, or one that no other of them has."""
    others = [name for name in names if name not in COLOURS]
    spread = [_OTHERS[k % len(_OTHERS)] for k in range(len(others))]
    return {**COLOURS, **dict(zip(others, spread, strict=True))}


def new_figure(rows: int, columns: int, size_inches: tuple[float, float]) -> tuple[Figure, Any]:
    """A figure and its axes, drawn without a display."""
    figure = Figure(figsize=size_inches, layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns)
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    return figure, axes


def as_svg(figure: Figure) -> str:
    """The figure as an ``<svg>`` element, for a page that stands alone."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def plot_workload(path: Path, heatmap: Heatmap) -> None:
    """Write a workload's heatmap as a PNG; memory that is untouched stays white."""
    figure, axis = new_figure(1, 1, (9.0, 4.5))
    shown = np.where(heatmap.touched > 0.0, np.maximum(heatmap.rate_hz, LEAST_RATE_HZ), np.nan)
    image = axis.imshow(
        shown,
        norm=LogNorm(LEAST_RATE_HZ, max(1.0, float(heatmap.rate_hz.max()))),
        extent=(0.0, heatmap.seconds, heatmap.footprint_bytes / 2**20, 0.0),
        aspect="auto",
        cmap="inferno",
        interpolation="nearest",
    )
    axis.grid(visible=False)
    axis.set(xlabel="time (s)", ylabel="memory (MiB)", title=heatmap.name)
    figure.colorbar(image, label="accesses a second of each touched page")
    figure.savefig(path, format="png", metadata={"Software": None})
