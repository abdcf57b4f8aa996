"""The same schemes in the simulator and in the kernel: what they tried, applied, and might do."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from damon_tuner.benchmarks.fidelity.golden import GOLDEN, golden
from damon_tuner.benchmarks.fidelity.recording import Recording
from damon_tuner.benchmarks.fidelity.schemes import GOAL_TARGET, SCHEMES
from damon_tuner.benchmarks.fidelity.simulate import OBSERVER, host_intervals, sim_host
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.kernel_iface.host import GoalMetric, QuotaGoal, Scheme

_SEEDS = (1, 2, 3, 4)


def scheme_figures(folder: Path = GOLDEN) -> list[Figure]:
    """The figures of both schemes."""
    return [
        *_quota_figures(golden("pageout_quota", "vaddr", 1, folder)),
        *_goal_figures(golden("pageout_goal", "vaddr", 1, folder)),
    ]


def _quota_figures(recording: Recording) -> list[Figure]:
    """What a page-out scheme under a size quota did in a second, each as simulator over kernel."""
    runs = [_play_quota(recording, seed) for seed in _SEEDS]
    tried, applied, swapped, esz = (
        statistics.mean(float(run[i]) for run in runs) for i in range(4)
    )
    seconds = float(recording.stats[-1, 0] - recording.stats[0, 0])
    real_tried, real_applied = (recording.stats[-1, 1:3] - recording.stats[0, 1:3]) / seconds
    real_swapped = float(recording.samples[-1, 2])
    real_esz = float(recording.esz[:, 1].mean())
    rows = (
        ("tried_ratio", tried, float(real_tried), "B/s"),
        ("applied_ratio", applied, float(real_applied), "B/s"),
        ("swapped_ratio", swapped, real_swapped, "B"),
        ("effective_quota_ratio", esz, real_esz, "B"),
    )
    return [
        Figure(
            f"fidelity.damos.pageout_quota.{name}",
            ours / real,
            "share",
            {"simulator": round(ours), "kernel": round(real), "of": unit, "seeds": len(_SEEDS)},
        )
        for name, ours, real, unit in rows
    ]


def _play_quota(recording: Recording, seed: int) -> tuple[float, float, float, float]:
    """Bytes tried and applied a second, bytes swapped in the end, and the effective quota."""
    host = sim_host(recording, seed)
    host.start([*SCHEMES["pageout_quota"], OBSERVER])
    aggregation_s = host_intervals(recording).aggr_us * 1e-6
    seen = []
    for _ in recording.time_s:
        host.advance(aggregation_s)
        seen.append(host.snapshot())
    first, last = seen[0].scheme_stats[0], seen[-1].scheme_stats[0]
    seconds = (seen[-1].time_us - seen[0].time_us) * 1e-6
    return (
        (last.sz_tried_bytes - first.sz_tried_bytes) / seconds,
        (last.sz_applied_bytes - first.sz_applied_bytes) / seconds,
        float(seen[-1].swapped_bytes),
        float(statistics.mean(s.scheme_stats[0].effective_quota_bytes for s in seen[1:])),
    )


def _goal_figures(recording: Recording) -> list[Figure]:
    """How many windows of a quota that follows a goal end with the very same effective quota."""
    windows = quota_windows(recording)
    kernel = [_in_force(recording.esz, at_s) for at_s in windows]
    values = [int(_in_force(recording.samples[:, (0, 4)], at_s)) for at_s in windows]
    simulator = effective_quotas(recording, values)
    pairs = list(zip(simulator, kernel, strict=True))
    worst = max(abs(ours - real) / real for ours, real in pairs)
    more = {"windows": len(pairs), "largest": max(kernel), "worst_relative_difference": worst}
    same = sum(ours == real for ours, real in pairs) / len(pairs)
    return [Figure("fidelity.damos.pageout_goal.equal_quotas", same, "share", more)]


def quota_windows(recording: Recording) -> list[float]:
    """When the kernel looked at the goal, in seconds.

    That is at the start of the first walk after each reset interval. Where the quota changed, an
    event says when; else the walk is known to start an aggregation after the one before it ended.
    """
    (scheme,) = SCHEMES["pageout_goal"]
    interval_s = scheme.quota.reset_interval_ms * 1e-3
    aggregation_s = recording.about["aggr_us"] * 1e-6
    changes = iter(recording.esz[:, 0])
    change_s = next(changes, inf)
    windows: list[float] = []
    start_s = 0.0
    for end_s in recording.stats[:, 0]:
        if change_s <= end_s:
            windows.append(float(change_s))
            change_s = next(changes, inf)
        elif windows and start_s - windows[-1] >= interval_s:
            windows.append(start_s)
        start_s = float(end_s) + aggregation_s
    return windows


def effective_quotas(recording: Recording, values: Sequence[int]) -> list[int]:
    """The simulator's effective quota after each window in which the goal had this value."""
    host = sim_host(recording, seed=1)
    host.start([_goal_scheme(values[0]), OBSERVER])
    aggregation_s = host_intervals(recording).aggr_us * 1e-6
    quotas = []
    for number, value in enumerate(values):
        host.apply([_goal_scheme(value), OBSERVER])
        # a window is two aggregations long, and the first one begins with the first walk
        host.advance(aggregation_s * (2 if number else 1))
        quotas.append(host.snapshot().scheme_stats[0].effective_quota_bytes)
    return quotas


def _goal_scheme(value: int) -> Scheme:
    (scheme,) = SCHEMES["pageout_goal"]
    goal = QuotaGoal(GoalMetric.USER_INPUT, GOAL_TARGET, value)
    return replace(scheme, quota=replace(scheme.quota, goals=(goal,)))


def _in_force(rows: NDArray[np.float64], at_s: float) -> float:
    """The value of the last row until ``at_s``; of the first one before it."""
    index = int(np.searchsorted(rows[:, 0], at_s, side="right")) - 1
    return float(rows[max(index, 0), 1])
