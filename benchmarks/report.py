"""The report page: what was learned, and how it compares, for people who would rather look."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from damon_tuner.benchmarks.episode import Episode, record_episode
from damon_tuner.benchmarks.plots import COLOURS, as_svg, new_figure
from damon_tuner.benchmarks.score import LEARNED, Comparison, print_table, summarise
from damon_tuner.envs.workload_file import Workload
from damon_tuner.policies.policy_file import Policy

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
svg { max-width: 100%; height: auto; }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; font-size: .85rem; }
"""


def write_report(
    path: Path,
    comparison: Comparison,
    curve: Sequence[tuple[int, float]],
    policy: Policy,
    shown: Workload,
) -> None:
    """Write one page that stands alone: the pictures are in it.

    One episode of the workload that is ``shown`` is drawn over time.
    """
    table: list[str] = []
    print_table(comparison, table.append)
    episode = record_episode(policy, shown, comparison.budget)
    sections = [
        (
            "Memory cost saved against slowdown",
            "Up and to the left is better. The dashed line is the slowdown budget; bars are 95 % "
            "intervals over seeds and loads. A share of slowdown is time lost over time worked.",
            _saving_against_slowdown(comparison),
        ),
        (
            "By workload",
            f"Trained on, with other seeds: {', '.join(policy.provenance.get('workloads', ()))}. "
            "Breaches are control intervals over budget.",
            _by_workload(comparison),
        ),
        (
            f"One episode of {shown.name}",
            "What DAMON sees over time (idle bytes by how long they were idle), what the policy "
            "sets, and what it costs.",
            _episode(episode, comparison.budget),
        ),
        ("Training", "Mean reward of a control interval.", _curve(curve)),
    ]
    body = "".join(
        f"<h2>{html.escape(title)}</h2><p>{html.escape(text)}</p>{svg}"
        for title, text, svg in sections
    )
    provenance = html.escape(json.dumps(dict(policy.provenance), indent=2))
    numbers = html.escape("\n".join(table).strip())
    path.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>damon-tuner report</title>"
        f"<style>{_STYLE}</style><h1>damon-tuner: learned against static policies</h1>"
        f"<pre>{numbers}</pre>{body}<h2>Where the policy comes from</h2>"
        f"<pre>{provenance}</pre></html>\n",
        encoding="utf-8",
    )


def _saving_against_slowdown(comparison: Comparison) -> str:
    sets = comparison.sets
    figure, axes = new_figure(1, len(sets), (5.0 * len(sets), 4.2))
    for axis, (name, rows) in zip(np.atleast_1d(axes), sets.items(), strict=True):
        for policy in comparison.policies:
            mine = [row for row in rows if row.policy == policy]
            x, y = summarise(mine, "slowdown"), summarise(mine, "saving")
            axis.errorbar(
                x.value,
                y.value,
                xerr=[[x.value - x.low], [x.high - x.value]],
                yerr=[[y.value - y.low], [y.high - y.value]],
                fmt="o",
                color=COLOURS[policy],
                label=policy,
            )
        axis.axvline(comparison.budget, color="0.4", linestyle="--", linewidth=1)
        axis.set_xscale("symlog", linthresh=0.005)
        axis.set_xlim(left=0)
        axis.xaxis.set_major_formatter(_percent)
        axis.yaxis.set_major_formatter(_percent)
        axis.set_xlabel("slowdown")
        axis.set_ylabel("memory cost saved")
        axis.set_title(name.replace("_", " "))
        axis.legend(fontsize=8)
    return as_svg(figure)


def _by_workload(comparison: Comparison) -> str:
    results = comparison.results
    workloads = list(dict.fromkeys(row.workload for row in results))
    policies = comparison.policies
    figure, axes = new_figure(2, 1, (10.0, 6.0))
    width = 0.8 / len(policies)
    for axis, metric in zip(axes, ("saving", "breaches"), strict=True):
        for k, policy in enumerate(policies):
            summaries = [
                summarise([r for r in results if (r.policy, r.workload) == (policy, w)], metric)
                for w in workloads
            ]
            at = np.arange(len(workloads)) + (k - (len(policies) - 1) / 2) * width
            means = [s.value for s in summaries]
            error = [[s.value - s.low for s in summaries], [s.high - s.value for s in summaries]]
            axis.bar(at, means, width, yerr=error, color=COLOURS[policy], label=policy)
        axis.set_xticks(range(len(workloads)), workloads)
        axis.yaxis.set_major_formatter(_percent)
    axes[0].set_ylabel("memory cost saved")
    axes[0].legend(fontsize=8, ncols=len(policies))
    axes[1].set_ylabel("breaches")
    return as_svg(figure)


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
    cost.plot(minutes, episode.saving, color=COLOURS[LEARNED], label="memory cost saved")
    cost.plot(minutes, episode.slowdown, color=COLOURS["pageout_5s"], label="slowdown")
    cost.axhline(budget, color="0.4", linestyle="--", linewidth=1, label="budget")
    cost.yaxis.set_major_formatter(_percent)
    cost.set_xlabel("minutes")
    cost.legend(fontsize=8)
    return as_svg(figure)


def _curve(curve: Sequence[tuple[int, float]]) -> str:
    figure, axis = new_figure(1, 1, (10.0, 3.0))
    axis.plot([n for n, _ in curve], [r for _, r in curve], color=COLOURS[LEARNED])
    axis.set_xlabel("control intervals")
    axis.set_ylabel("reward")
    return as_svg(figure)


def _heat_colours(nr: int) -> list[tuple[float, float, float]]:
    """From red for the hottest to blue for the longest idle."""
    return [(1.0 - k / (nr - 1), 0.25, k / (nr - 1)) for k in range(nr)]


def _percent(value: float, _position: int) -> str:
    return f"{value:.0%}" if value == 0 or abs(value) >= 0.01 else f"{value:.1%}"
