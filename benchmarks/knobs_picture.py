"""A picture of ``damon-tuner figures knobs``.

``python -m damon_tuner.benchmarks.knobs_picture FIGURES PNG`` draws the lines that it printed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import PercentFormatter

from damon_tuner.benchmarks.plots import new_figure

_COLUMNS = 2
_INCHES = (11.0, 0.42)
_BOUND, _FIXED = "#c7d5e8", "#2ca02c"

# figures by set, then by case, then by what they tell
_Line = Mapping[str, Any]
_Sets = dict[str, dict[str, dict[str, _Line]]]


def draw_knobs(lines: Sequence[str], path: Path) -> None:
    """Write what ``figures knobs`` printed as a PNG."""
    sets = _by_set([json.loads(line) for line in lines])
    rows = -(-len(sets) // _COLUMNS)
    tallest = max(len(cases) for cases in sets.values())
    size = (_INCHES[0], rows * (1.1 + _INCHES[1] * tallest))
    figure, axes = new_figure(rows, _COLUMNS, size)
    flat = axes.ravel()
    for axis, (name, cases) in zip(flat, sets.items(), strict=False):
        _draw_set(axis, name, cases)
    for axis in flat[len(sets) :]:
        axis.set_axis_off()
    flat[0].legend(loc="lower right", fontsize=7)
    figure.savefig(path, format="png", metadata={"Software": None})


def _by_set(figures: Sequence[_Line]) -> _Sets:
    sets: _Sets = {}
    for figure in figures:
        _, name, what = figure["figure"].split(".", 2)
        case = f"{figure['load']} on {figure['profile']}".replace("_", " ")
        sets.setdefault(name, {}).setdefault(case, {})[what] = figure
    return sets


def _draw_set(axis: Any, name: str, cases: Mapping[str, Mapping[str, _Line]]) -> None:
    """The bound as a broad bar, what was found in front of it, and its slowdown as text."""
    for row, about in enumerate(cases.values()):
        fixed, bound = about["fixed.saving"], about["bound.saving"]
        axis.barh(row, bound["value"], height=0.8, color=_BOUND, label=_once(row, "bound"))
        axis.barh(
            row,
            fixed["value"],
            height=0.4,
            color=_FIXED,
            xerr=[[fixed["value"] - fixed["low"]], [fixed["high"] - fixed["value"]]],
            error_kw={"linewidth": 1.0},
            label=_once(row, "best fixed setting"),
        )
        slowdown = about["fixed.slowdown"]["value"]
        at = max(fixed["high"], bound["value"], 0.0)
        axis.annotate(
            f"{slowdown:+.1%}", (at, row), xytext=(3, 0), textcoords="offset points",
            fontsize=7, va="center",
        )  # fmt: skip
    axis.set_yticks(range(len(cases)), list(cases), fontsize=7)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.axvline(0.0, color="0.4", linewidth=0.8)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_title(f"{name}: memory cost saved (and slowdown)", fontsize=9)


def _once(row: int, label: str) -> str | None:
    return label if row == 0 else None


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", type=Path, help="what damon-tuner figures knobs printed")
    parser.add_argument("png", type=Path, help="the picture to write")
    args = parser.parse_args()
    draw_knobs(args.figures.read_text(encoding="utf-8").splitlines(), args.png)


if __name__ == "__main__":
    _main()
