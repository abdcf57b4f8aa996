"""The clairvoyant bound of evaluation episodes, at several budgets from one recording of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from damon_tuner.benchmarks.bootstrap import Floats
from damon_tuner.benchmarks.clairvoyant.bound import clairvoyant_saving
from damon_tuner.benchmarks.clairvoyant.record import record
from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.envs.workload_file import Workload


def episode_bounds(
    workload: Workload,
    seeds: Sequence[int],
    groups: Collection[str],
    budgets: Sequence[float],
    *,
    config: EpisodeConfig | None = None,
    nr_threads: int = 1,
    on_step: Callable[[], object] = lambda: None,
) -> Floats:
    """Return (seeds, budgets): the most that anybody can save there with ``groups`` of knobs.

    NaN where the kernel kills the unmanaged load, which has no bound. ``on_step`` is called once
    a control interval.
    """
    records = record([workload], seeds, config=config, nr_threads=nr_threads, on_step=on_step)
    return np.array(
        [
            [np.nan if one.oom_kills else clairvoyant_saving(one, groups, b) for b in budgets]
            for one in records
        ]
    )
