"""What a forecast is worth: the same page-out with it and without, on the same episodes.

Nothing is searched or learned: minimum age and quota are held, and so is how far ahead is looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.benchmarks.bootstrap import bootstrap
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.envs.batch import EpisodeConfig, SimBatch
from damon_tuner.envs.reward import outcome
from damon_tuner.envs.workload_file import Workload

EPISODE_S = 1_800.0
_BUDGET = 0.02
_THREADS = 2
# What will be needed comes back at 6 % a second.
_SETTING = {
    "min_age_s": 17.0,
    "quota_bytes_per_s": 0.1,
    "protect_horizon_s": 37.0,
    "prefetch_quota_bytes_per_s": 0.06,
}
_FAULTS = _core.TRUTH_NAMES.index("faults")

Floats = NDArray[np.float64]


def worth_figures(
    of: Mapping[str, Workload], seeds: Sequence[int], episode_s: float = EPISODE_S
) -> Iterator[Figure]:
    """``forecast.FAMILY.worth_faults``, ``_slowdown`` and ``_saving``.

    Faults with the forecast over those without, where there are any, and by how much it changes
    slowdown and saving: means over the episodes with 95 % intervals.
    """
    for name, workload in of.items():
        alone = _run(workload, seeds, ("reclaim",), episode_s)
        ahead = _run(workload, seeds, ("reclaim", "prediction"), episode_s)
        # some loads are never paged out from
        some = alone["faults"] >= 1.0
        if some.any():
            ratio = ahead["faults"][some] / alone["faults"][some]
            yield _figure(f"forecast.{name}.worth_faults", ratio, "ratio")
        for what in ("slowdown", "saving"):
            more = {"without": float(alone[what].mean()), "with": float(ahead[what].mean())}
            change = ahead[what] - alone[what]
            yield _figure(f"forecast.{name}.worth_{what}", change, "share", **more)


def _run(
    workload: Workload, seeds: Sequence[int], groups: tuple[str, ...], episode_s: float
) -> dict[str, Floats]:
    """One value an episode."""
    config = EpisodeConfig(workloads=(workload,), groups=groups, episode_s=episode_s)
    batch = SimBatch(config, len(seeds), _THREADS)
    for host, seed in enumerate(seeds):
        batch.begin(host, (0,), seed, (_BUDGET,))
    held = np.tile(
        [_core.action_of(name, _SETTING[name]) for name in batch.schema.knob_names],
        (len(seeds), 1),
    )
    truth = np.sum([batch.step(held).truth for _ in range(config.episode_steps)], axis=0)
    total = outcome(truth)
    return {"faults": truth[:, _FAULTS], "slowdown": total.slowdown, "saving": total.saving}


def _figure(name: str, values: Floats, unit: str, **more: float) -> Figure:
    summary = bootstrap([values])
    about = {"low": summary.low, "high": summary.high, "seeds": len(values), **more}
    return Figure(name, summary.value, unit, about)
