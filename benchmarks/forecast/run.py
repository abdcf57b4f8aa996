"""How good the forecast is: by family and horizon, against persistence and against chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from damon_tuner import _core
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.benchmarks.forecast.cost import cost_figures
from damon_tuner.benchmarks.forecast.episode import HORIZONS_S, AtHorizon, Episode, run_episode
from damon_tuner.benchmarks.forecast.worth import worth_figures
from damon_tuner.envs.workload_file import Workload, bundled_workload

SEEDS = range(100, 132)
"""The constants of the forecast were chosen on others, below 100."""

_RESAMPLES = 2000

Floats = NDArray[np.float64]


def workloads() -> Mapping[str, Workload]:
    """The bundled families; phases twice: in turn, which repeats, and at random, which does not.

    Two places at random take turns, so that there are three at least.
    """
    split = {
        "phases_in_turn": {"random_order": (0.0, 0.0)},
        "phases_at_random": {"random_order": (1.0, 1.0), "nr_phases": (3.0, 5.99)},
    }
    return {
        **{name: Workload(name, "phases", ranges) for name, ranges in split.items()},
        **{name: bundled_workload(name) for name in _core.FAMILIES if name != "phases"},
    }


def forecast_figures(
    of: Mapping[str, Workload] | None = None, seeds: Sequence[int] = SEEDS
) -> list[Figure]:
    """``forecast.FAMILY.WHAT`` for each family, with 95 % intervals; and what it costs.

    What it is worth to page-out is as ``worth_figures`` has it.

    Errors are mean absolute ones of shares of the monitored bytes, beside those of persistence:
    as now. Of the addresses that are not in use, the precision is how much of what is forecast is
    accessed within the horizon (``chance``: of all of them), the recall how much of what is
    accessed was forecast; both are of all seeds together, by bytes.
    """
    of = workloads() if of is None else of
    figures: list[Figure] = []
    with tqdm(total=len(of) * len(seeds), unit="episode", disable=None) as bar:
        for name, workload in of.items():
            episodes = []
            for seed in seeds:
                episodes.append(run_episode(workload, seed))
                bar.update()
            figures += _figures(f"forecast.{name}", episodes)
    return [*figures, *worth_figures(of, seeds), *cost_figures()]


def _figures(prefix: str, episodes: Sequence[Episode]) -> Iterator[Figure]:
    strengths = np.array([episode.strength for episode in episodes])
    yield _ratio(f"{prefix}.strength", strengths, np.ones(len(strengths)))
    for k, horizon_s in enumerate(HORIZONS_S):

        def column(get: Callable[[AtHorizon], float], k: int = k) -> Floats:
            return np.array([get(episode.horizons[k]) for episode in episodes])

        at = f"{horizon_s:.0f}s"
        yield _error(
            f"{prefix}.working_set_error_{at}",
            column(lambda h: h.error),
            column(lambda h: h.persistence),
        )
        yield _error(
            f"{prefix}.heat_error_{at}",
            column(lambda h: h.class_error),
            column(lambda h: h.class_persistence),
        )
        right, said = column(lambda h: h.forecast_accessed), column(lambda h: h.forecast_blocks)
        needed, idle = column(lambda h: h.idle_accessed), column(lambda h: h.idle_blocks)
        yield _ratio(
            f"{prefix}.address_precision_{at}",
            right,
            said,
            chance=_share(needed, idle),
            forecast_share=_share(said, idle),
        )
        yield _ratio(f"{prefix}.address_recall_{at}", right, needed)


def _error(name: str, errors: Floats, persistence: Floats) -> Figure:
    """Mean absolute error, and how much more or less it is than that of persistence."""
    low, high = _interval(errors, np.ones(len(errors)))
    change_low, change_high = _interval(errors, persistence)
    more = {
        "low": low,
        "high": high,
        "persistence": float(persistence.mean()),
        "change": float(errors.sum() / persistence.sum()) - 1.0,
        "change_low": change_low - 1.0,
        "change_high": change_high - 1.0,
        "seeds": len(errors),
    }
    return Figure(name, float(errors.mean()), "share", more)


def _ratio(name: str, part: Floats, whole: Floats, **more: float) -> Figure:
    low, high = _interval(part, whole)
    numbers = {"low": low, "high": high, **more}
    finite = {key: x if np.isfinite(x) else None for key, x in numbers.items()}
    return Figure(name, _share(part, whole), "share", {**finite, "seeds": len(part)})


def _share(part: Floats, whole: Floats) -> float:
    return float(part.sum() / whole.sum()) if whole.sum() else np.nan


def _interval(part: Floats, whole: Floats) -> tuple[float, float]:
    """The 95 % interval of the ratio of the sums, by a bootstrap over seeds."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(part), size=(_RESAMPLES, len(part)))
    wholes = whole[drawn].sum(axis=1)
    if not (wholes > 0.0).any():
        return np.nan, np.nan
    ratios = part[drawn].sum(axis=1)[wholes > 0.0] / wholes[wholes > 0.0]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)
