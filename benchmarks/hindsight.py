"""What choosing among contenders could bring at most: the choice is made after each episode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from damon_tuner.benchmarks.bootstrap import Floats

_Choice = NDArray[np.intp]

_PRICES = np.concatenate([[0.0], np.geomspace(1e-3, 1e6, 400)])


def chosen_afterwards(
    scores: Sequence[Floats], breaches: Sequence[Floats], breaches_max: float
) -> list[Floats] | None:
    """Scores of the best choices that are over the budget in no more than ``breaches_max``.

    ``scores`` and ``breaches`` are one array a workload, (contenders, episodes). What is chosen
    in each episode has the highest score less a price for its breaches: the lowest price, the
    same for all episodes, at which the mean over workloads of the mean of each is at most
    ``breaches_max``. What that leaves is spent on the choices of the next lower price, in the
    order of the episodes.
    Returns one array (episodes,) a workload, or None where no price is enough.
    """
    bolder: list[_Choice] | None = None
    for price in _PRICES:
        choices = [np.argmax(s - price * b, axis=0) for s, b in zip(scores, breaches, strict=True)]
        room = breaches_max - _over(breaches, choices)
        if room >= 0.0:
            if bolder is not None:
                _spend(breaches, choices, bolder, room)
            return [_of(s, choice) for s, choice in zip(scores, choices, strict=True)]
        bolder = choices
    return None


def _spend(
    breaches: Sequence[Floats], choices: list[_Choice], bolder: list[_Choice], room: float
) -> None:
    """Take the choices of ``bolder`` where there is ``room`` for their breaches."""
    for b, choice, other in zip(breaches, choices, bolder, strict=True):
        more = (_of(b, other) - _of(b, choice)) / (b.shape[1] * len(breaches))
        for episode in np.flatnonzero(more > 0.0):
            if more[episode] <= room:
                choice[episode] = other[episode]
                room -= more[episode]


def _over(breaches: Sequence[Floats], choices: Sequence[_Choice]) -> float:
    of_each = [_of(b, choice).mean() for b, choice in zip(breaches, choices, strict=True)]
    return float(np.mean(of_each))


def _of(values: Floats, choice: _Choice) -> Floats:
    chosen: Floats = np.take_along_axis(values, choice[None], axis=0)[0]
    return chosen
