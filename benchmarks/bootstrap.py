"""Numbers over many episodes, with the interval in which they would fall on other ones.

Episodes come in strata, one a workload, so that each resampling has as many of each. A stratum
is an array (training seeds, episodes): what does not learn has one row. Episodes are drawn anew
within each stratum; training seeds, which are the same policies on every workload, once for all
strata. Both with replacement, as in "Deep Reinforcement Learning at the Edge of the Statistical
Precipice" (NeurIPS 2021), whose interquartile mean this is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RESAMPLES = 2_000
# so many numbers are resampled together: 32 MiB of them
_AT_ONCE = 1 << 22

Statistic = Callable[[Sequence[Floats]], Floats]
"""From strata of shape (resamplings, values of the stratum) to one number a resampling."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


def mean_of_strata(strata: Sequence[Floats]) -> Floats:
    """The mean over strata of the mean of each: workloads weigh the same."""
    means: Floats = np.mean([values.mean(axis=1) for values in strata], axis=0)
    return means


def interquartile_mean(strata: Sequence[Floats]) -> Floats:
    """The mean of the middle half of all values, without the lowest and the highest quarter."""
    values = np.sort(np.concatenate(strata, axis=1), axis=1)
    cut = values.shape[1] // 4
    middle: Floats = values[:, cut : values.shape[1] - cut].mean(axis=1)
    return middle


def bootstrap(strata: Sequence[Floats], statistic: Statistic = mean_of_strata) -> Summary:
    """``statistic`` of ``strata``, (episodes,) or (training seeds, episodes), and its interval.

    The same arguments give the same interval.

    Raises:
        ValueError: there are no strata, one is empty, or they have unlike numbers of training
            seeds.

    """
    tables = [np.atleast_2d(values) for values in strata]
    if not tables or any(not table.size for table in tables):
        raise ValueError("nothing to take a mean of")
    if len({len(table) for table in tables}) > 1:
        raise ValueError("every stratum must be of the same training seeds")
    rng = np.random.default_rng(0)
    size = sum(table.size for table in tables)
    step = min(max(_AT_ONCE // size, 1), _RESAMPLES)
    drawn = np.concatenate(
        [
            statistic(_resampled(tables, min(step, _RESAMPLES - done), rng))
            for done in range(0, _RESAMPLES, step)
        ]
    )
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = statistic([table.reshape(1, -1) for table in tables])[0]
    return Summary(float(value), float(low), float(high))


def _resampled(tables: Sequence[Floats], times: int, rng: np.random.Generator) -> list[Floats]:
    nr_seeds = len(tables[0])
    seeds = rng.integers(nr_seeds, size=(times, nr_seeds, 1))
    resampled = []
    for table in tables:
        nr = table.shape[1]
        episodes = rng.integers(nr, size=(times, 1, nr))
        resampled.append(table[seeds, episodes].reshape(times, -1))
    return resampled
