"""One look for every picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "none": "#7f7f7f",
        "damon_reclaim": "#1f77b4",
        "pageout_5s": "#d62728",
        "pageout_30s": "#ff7f0e",
        "learned": "#2ca02c",
    }
)


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
