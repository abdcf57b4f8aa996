"""The demo's picture: resident memory, work and the knobs over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from damon_tuner.benchmarks.plots import COLOURS, new_figure

_MIB = 1 << 20


def draw_demo(result: Mapping[str, Any], path: Path) -> None:
    """Draw ``result`` to ``path`` (PNG or SVG, by its suffix)."""
    figure, axes = new_figure(3, 1, (9.0, 8.0))
    memory, work, knobs = axes
    for phase in result["phases"]:
        name, samples = phase["policy"], phase["samples"]
        seconds = np.array([s["elapsed_s"] for s in samples])
        resident = np.array([s["resident_bytes"] for s in samples]) / _MIB
        writes = np.array([s["writes"] for s in samples], dtype=float)
        colour = COLOURS[name]
        memory.plot(seconds, resident, label=name, color=colour)
        rate = np.diff(writes) / np.diff(seconds) / 1e6
        work.plot(_smooth(seconds[1:]), _smooth(rate), color=colour)
    for axis in (memory, work):
        for move in np.arange(
            result["load"]["period_s"], result["seconds"], result["load"]["period_s"]
        ):
            axis.axvline(move, color="0.8", linewidth=0.8, zorder=0)
    memory.set_ylabel("resident memory, MiB")
    memory.set_ylim(0, 1.3 * result["load"]["mapped_mib"])
    memory.legend(loc="upper right", ncols=3, framealpha=0.9)
    memory.set_title(
        f"A process of {result['load']['mapped_mib']} MiB whose hot "
        f"{result['load']['hot_mib']} MiB move (grey lines), Linux {result['kernel_version']}"
    )
    work.set_ylabel("work, million writes/s")
    work.set_ylim(bottom=0)
    _draw_knobs(knobs, next(p for p in result["phases"] if p["policy"] == "learned"))
    figure.savefig(path)


def _draw_knobs(axis: Any, phase: Mapping[str, Any]) -> None:
    seconds = [d["elapsed_s"] for d in phase["decisions"]]
    colour = COLOURS["learned"]
    axis.step(
        seconds, [d["knobs"]["min_age_s"] for d in phase["decisions"]], color=colour, where="post"
    )
    axis.set_yscale("log")
    axis.set_ylabel("learned: minimum age, s")
    axis.set_xlabel("seconds")
    other = axis.twinx()
    quota = [d["knobs"]["quota_bytes_per_s"] / _MIB for d in phase["decisions"]]
    other.step(seconds, quota, color="0.5", linestyle=":", where="post")
    other.set_yscale("log")
    other.set_ylabel("quota (dotted), MiB/s")


def _smooth(values: Any) -> Any:
    """Means of three neighbours."""
    return np.convolve(values, np.ones(3) / 3, mode="valid")
