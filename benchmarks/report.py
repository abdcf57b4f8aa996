"""The report page: who saves how much at what price, for people who would rather look."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from damon_tuner.benchmarks.bench.entry import ORACLE, POLICY
from damon_tuner.benchmarks.episode import Episode, record_episode
from damon_tuner.benchmarks.plots import COLOURS, as_svg, colours_of, new_figure
from damon_tuner.benchmarks.score import Panel, Results, print_table
from damon_tuner.envs.workload_file import Workload
from damon_tuner.policies.policy_file import Policy
from damon_tuner.whole_file import write_whole

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
svg { max-width: 100%; height: auto; }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; font-size: .8rem; }
"""
_MARKERS = {POLICY: "*", ORACLE: "x"}

_Section = tuple[str, str, str]


def write_report(
    path: Path,
    results: Results,
    policy: Policy | None,
    shown: Workload,
    curve: Sequence[tuple[int, float]] = (),
) -> None:
    """Write one page that stands alone: the pictures are in it.

    With a ``policy``, one episode of the workload that is ``shown`` is drawn over time, at the
    middle one of the budgets; ``curve`` is how the policy's training went.

    Raises:
        OSError: the page cannot be written.

    """
    table: list[str] = []
    print_table(results, table.append)
    sections = [*_comparisons(results)]
    if policy is not None:
        budget = _middle(results.budgets)
        sections.append(_episode_section(policy, shown, budget))
        if curve:
            sections.append(("Training", "Mean reward of a control interval.", _curve(curve)))
    body = "".join(
        f"<h2>{html.escape(title)}</h2><p>{html.escape(text)}</p>{svg}"
        for title, text, svg in sections
    )
    if policy is not None:
        provenance = html.escape(json.dumps(dict(policy.provenance), indent=2))
        body += f"<h2>Where the policy comes from</h2><pre>{provenance}</pre>"
    numbers = html.escape("\n".join(table).strip())
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>damon-tuner report</title>"
        f"<style>{_STYLE}</style><h1>damon-tuner: memory saved within a slowdown budget</h1>"
        f"<pre>{numbers}</pre>{body}</html>\n"
    )
    write_whole(path, page.encode())


def _comparisons(results: Results) -> Iterator[_Section]:
    yield (
        "Memory cost saved against slowdown",
        "Up and to the left is better. The dashed line is the slowdown budget, the grey one the "
        "Pareto front of what needs no foresight: nobody on it can be beaten in both. Bars are "
        "95 % intervals over seeds. Stars are learned, crosses have a setting of their own for "
        "each workload. A share of slowdown is time lost over time worked.",
        _saving_against_slowdown(results),
    )
    budget = _middle(results.budgets)
    yield (
        f"By family, at a budget of {budget:.1%}",
        "Mean score: 0 is no management, 1 the clairvoyant bound; breaking the budget takes off.",
        _by_family(results, budget),
    )
    yield (
        "Calibration of budgets",
        "What slowdown was got for the one that was asked for, on average, and the share of "
        "control intervals that were over it. On the dashed line is who uses the whole budget.",
        _calibration(results),
    )


def _saving_against_slowdown(results: Results) -> str:
    sets, budgets = results.sets, results.budgets
    colours = colours_of(results.contenders)
    figure, axes = new_figure(len(budgets), len(sets), (4.4 * len(sets), 3.6 * len(budgets) + 1.2))
    grid = np.reshape(axes, (len(budgets), len(sets)))
    for row, budget in enumerate(budgets):
        for column, name in enumerate(sets):
            axis = grid[row, column]
            _draw_points(axis, results.panel(name, budget), colours)
            axis.set_title(f"{name.replace('_', ' ')}, {budget:.1%}", fontsize=10)
    handles = {
        label: handle
        for axis in grid.flat
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=6, fontsize=8
    )
    return as_svg(figure)


def _draw_points(axis: Any, panel: Panel, colours: dict[str, Any]) -> None:
    points = []
    for name in panel.contenders:
        x, y = panel.summary(name, "slowdown"), panel.summary(name, "saving")
        axis.errorbar(
            x.value,
            y.value,
            xerr=[[x.value - x.low], [x.high - x.value]],
            yerr=[[y.value - y.low], [y.high - y.value]],
            fmt=_MARKERS.get(panel.kinds[name], "o"),
            markersize=10 if panel.kinds[name] == POLICY else 5,
            color=colours[name],
            label=name,
            linewidth=1,
            zorder=3 if panel.kinds[name] == POLICY else 2,
        )
        if panel.kinds[name] != ORACLE:
            points.append((x.value, y.value))
    front = pareto_front(points)
    axis.plot([x for x, _ in front], [y for _, y in front], color="0.7", linewidth=3, zorder=1)
    axis.axvline(panel.budget, color="0.4", linestyle="--", linewidth=1)
    axis.set_xscale("symlog", linthresh=0.01)
    axis.set_xlim(left=min(0.0, *(x for x, _ in points)) - 0.0005)
    axis.xaxis.set_major_formatter(_percent)
    axis.yaxis.set_major_formatter(_percent)
    axis.tick_params(axis="x", labelsize=8)
    axis.set_xlabel("slowdown")
    axis.set_ylabel("memory cost saved")


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points (slowdown, saving) that none beats in both, by rising slowdown."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or y > front[-1][1]:
            front.append((x, y))
    return front


def _shown_in(panel: Panel) -> list[str]:
    """What is learned, and the best of each kind that is not."""
    learned = [name for name in panel.contenders if panel.kinds[name] == POLICY]
    others = [panel.best_single, panel.best(ORACLE)]
    return [*learned, *(name for name in others if name is not None)]


def _by_family(results: Results, budget: float) -> str:
    panels = [results.panel(name, budget) for name in results.sets]
    colours = colours_of(results.contenders)
    figure, axes = new_figure(len(panels), 1, (11.0, 2.9 * len(panels)))
    for axis, panel in zip(np.atleast_1d(axes), panels, strict=True):
        shown = _shown_in(panel)
        means = {name: panel.by_family(name) for name in shown}
        families = list(next(iter(means.values())))
        width = 0.8 / len(shown)
        for k, name in enumerate(shown):
            at = np.arange(len(families)) + (k - (len(shown) - 1) / 2) * width
            bars = [means[name][family] for family in families]
            low = [bar.value - bar.low for bar in bars]
            high = [bar.high - bar.value for bar in bars]
            heights = [bar.value for bar in bars]
            axis.bar(at, heights, width, yerr=[low, high], color=colours[name], label=name)
        axis.axhline(0.0, color="0.4", linewidth=1)
        axis.set_xticks(range(len(families)), families)
        axis.set_ylabel("score")
        axis.set_title(panel.set.replace("_", " "), fontsize=10)
        axis.legend(fontsize=8, ncols=len(shown))
    return as_svg(figure)


def _calibration(results: Results) -> str:
    sets, budgets = results.sets, results.budgets
    colours = colours_of(results.contenders)
    figure, axes = new_figure(2, len(sets), (4.4 * len(sets), 6.0))
    grid = np.reshape(axes, (2, len(sets)))
    for (got, broken), name in zip(grid.T, sets, strict=True):
        panels = [results.panel(name, budget) for budget in budgets]
        shown = dict.fromkeys(
            who for panel in panels for who in _shown_in(panel) if panel.kinds[who] != ORACLE
        )
        for who in shown:
            for axis, metric in ((got, "slowdown"), (broken, "breaches")):
                found = [panel.summary(who, metric) for panel in panels]
                axis.errorbar(
                    budgets,
                    [s.value for s in found],
                    yerr=[[s.value - s.low for s in found], [s.high - s.value for s in found]],
                    fmt="o-",
                    markersize=4,
                    color=colours[who],
                    label=who,
                )
        got.plot(budgets, budgets, color="0.4", linestyle="--", linewidth=1)
        got.set_title(name.replace("_", " "), fontsize=10)
        got.set_yscale("symlog", linthresh=0.01)
        got.set_ylabel("slowdown got")
        broken.set_ylabel("intervals over budget")
        broken.set_xlabel("slowdown asked for")
        for axis in (got, broken):
            axis.set_xscale("log")
            axis.set_xticks(budgets)
            axis.minorticks_off()
            axis.xaxis.set_major_formatter(_percent)
            axis.yaxis.set_major_formatter(_percent)
        got.legend(fontsize=8)
    return as_svg(figure)


def _episode_section(policy: Policy, shown: Workload, budget: float) -> _Section:
    return (
        f"One episode of {shown.name}, at a budget of {budget:.1%}",
        "What DAMON sees over time (idle bytes by how long they were idle), what the policy "
        "sets, and what it costs.",
        _episode(record_episode(policy, shown, budget), budget),
    )


def _episode(episode: Episode, budget: float) -> str:
    figure, (heat, knobs, cost) = new_figure(3, 1, (10.0, 8.5))
    minutes = episode.seconds / 60.0
    heat.stackplot(
        minutes,
        episode.heat.T,
        labels=episode.heat_labels,
        colors=_heat_colours(len(episode.heat_labels)),
    )
    heat.set_ylabel("share of bytes")
    heat.set_ylim(0, 1)
    heat.legend(fontsize=7, ncols=6, loc="lower left")
    for name, values in episode.knobs.items():
        label, scale = (
            (name.replace("_bytes_per_s", "_mib_per_s"), 2.0**-20)
            if (name.endswith("_bytes_per_s"))
            else (name, 1.0)
        )
        knobs.plot(minutes, values * scale, label=label)
    knobs.set_yscale("log")
    knobs.set_ylabel("knobs")
    knobs.legend(fontsize=7, ncols=4)
    cost.plot(minutes, episode.saving, color=COLOURS["learned"], label="memory cost saved")
    cost.plot(minutes, episode.slowdown, color=COLOURS["pageout_5s"], label="slowdown")
    cost.axhline(budget, color="0.4", linestyle="--", linewidth=1, label="budget")
    cost.yaxis.set_major_formatter(_percent)
    cost.set_xlabel("minutes")
    cost.legend(fontsize=8)
    return as_svg(figure)


def _curve(curve: Sequence[tuple[int, float]]) -> str:
    figure, axis = new_figure(1, 1, (10.0, 3.0))
    axis.plot([n for n, _ in curve], [r for _, r in curve], color=COLOURS["learned"])
    axis.set_xlabel("control intervals")
    axis.set_ylabel("reward")
    return as_svg(figure)


def _middle(budgets: Sequence[float]) -> float:
    return budgets[len(budgets) // 2]


def _heat_colours(nr: int) -> list[tuple[float, float, float]]:
    """From red for the hottest to blue for the longest idle."""
    return [(1.0 - k / (nr - 1), 0.25, k / (nr - 1)) for k in range(nr)]


def _percent(value: float, _position: int) -> str:
    return f"{value:.0%}" if value == 0 or abs(value) >= 0.01 else f"{value:.1%}"
