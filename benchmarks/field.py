"""The simulated families beside what others measured on real machines.

The published table is DAMON's own evaluation (Linux 5.10; 24 workloads of PARSEC3 and SPLASH-2X;
SeongJae Park): what paging out after 5 s without an access, and huge pages always, did to time and
memory. A simulator whose families cannot show what the field has seen would train for another
world; one whose mean agrees is not thereby true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.envs.batch import EpisodeConfig, SimBatch
from damon_tuner.envs.workload_file import Workload, bundled_workload
from damon_tuner.policies.rules import STATIC_POLICIES, FixedRule

_SEEDS = 8
_EPISODE_S = 600.0
_QUANTILES = (0.05, 0.95)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Published:
    """A mean over real workloads, and the workloads at both ends, as shares."""

    mean: float
    lowest: float
    highest: float


PUBLISHED: Mapping[str, Published] = {
    "pageout_5s.memory_change": Published(-0.2022, -0.9338, -0.0006),
    "pageout_5s.runtime_change": Published(0.0764, 0.0122, 0.0993),
    "thp_always.memory_change": Published(0.0847, 0.0, 0.8008),
    "thp_always.runtime_change": Published(-0.0560, -0.3069, 0.0),
}
"""The ends that the table's summary names; 0 where it names none on that side."""


def field_figures(nr_threads: int) -> list[Figure]:
    """``field.WHAT.memory_change`` and ``.runtime_change``: simulated, and as published."""
    workloads = tuple(bundled_workload(name) for name in _core.FAMILIES)
    none, pageout, reclaim = (
        STATIC_POLICIES[name] for name in ("none", "pageout_5s", "damon_reclaim")
    )
    base = _run(workloads, none, nr_threads, thp_mode=0.0)
    changed = {
        "pageout_5s": _run(workloads, pageout, nr_threads, thp_mode=0.0),
        "damon_reclaim": _run(workloads, reclaim, nr_threads, thp_mode=0.0),
        "thp_always": _run(workloads, none, nr_threads, thp_mode=2.0),
    }
    figures = []
    for name, run in changed.items():
        memory = run["resident_byte_s"] / base["resident_byte_s"] - 1.0
        busy_us = np.maximum(base["busy_us"], _core.MIN_WORKED_SHARE * base["time_us"])
        runtime = (run["lost_us"] - base["lost_us"]) / busy_us
        figures += [
            _figure(f"{name}.memory_change", memory),
            _figure(f"{name}.runtime_change", runtime),
        ]
    return figures


def _run(
    workloads: Sequence[Workload], policy: FixedRule, nr_threads: int, thp_mode: float
) -> dict[str, Floats]:
    """Totals of an episode, one for each workload and seed."""
    at_mode = tuple(
        replace(w, profile={**w.profile, "thp_mode": (thp_mode, thp_mode)}) for w in workloads
    )
    config = EpisodeConfig(workloads=at_mode, episode_s=_EPISODE_S)
    batch = SimBatch(config, len(workloads) * _SEEDS, nr_threads)
    for host in range(batch.nr_hosts):
        batch.begin(host, (host // _SEEDS,), host % _SEEDS, (1.0,))
        batch.core.set_schemes(host, policy.schemes)
    total = np.sum([batch.step(None).truth for _ in range(config.episode_steps)], axis=0)
    return dict(zip(_core.TRUTH_NAMES, total.T, strict=True))


def _figure(name: str, values: Floats) -> Figure:
    low, high = np.quantile(values, _QUANTILES)
    more: dict[str, object] = {"low": low, "high": high, "hosts": len(values)}
    published = PUBLISHED.get(name)
    if published is not None:
        more |= {
            "published_mean": published.mean,
            "published_lowest": published.lowest,
            "published_highest": published.highest,
            "published_mean_is_within": bool(low <= published.mean <= high),
        }
    return Figure(f"field.{name}", float(values.mean()), "share", more)
