"""One number for an episode: the share of what could be saved, less what the budget was broken by.

    score = saving / bound - max(0, slowdown / budget - 1), and not below -1

0 is no management, 1 the clairvoyant bound at the same budget. Each axis has its own unit: a
saving counts in what could be saved within the budget, a slowdown in the budget. Why breaking the
budget never pays: what could be saved at a slowdown, B(s), is concave in s (two ways to manage,
each for a part of the time, save and slow in proportion), and doing nothing costs nothing,
B(0) >= 0. So beyond the budget B(s) <= B(budget) * s / budget, and saving / bound rises by no more
than is taken off. Below the budget nothing is taken off, so that using it costs nothing either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from damon_tuner.benchmarks.bootstrap import Floats

LEAST_SCORE = -1.0
"""An episode cannot be worse: one storm of faults must not decide what all others are worth."""
LEAST_BOUND = 0.01
"""Where less of the cost could be saved, even by who knows everything, nothing is to be tuned."""


def normalised_score(saving: Floats, slowdown: Floats, bound: Floats, budget: Floats) -> Floats:
    """Scores of episodes; all shapes are (...,), shares. NaN where :func:`is_scored` is not so."""
    where = is_scored(bound)
    share = np.divide(saving, bound, out=np.full(np.shape(bound), np.nan), where=where)
    beyond = np.maximum(slowdown / budget - 1.0, 0.0)
    scores: Floats = np.maximum(share - beyond, LEAST_SCORE)
    return scores


def is_scored(bound: Floats) -> NDArray[np.bool_]:
    """Which episodes count, for all contenders alike.

    Those do not in which the kernel kills the unmanaged load (their bound is NaN), nor those in
    which hardly anything can be saved.
    """
    counts: NDArray[np.bool_] = np.asarray(bound) >= LEAST_BOUND
    return counts


def improvements(ours: Floats, theirs: Floats) -> Floats:
    """1 where ours is better, 0 where it is worse, one half where both are the same.

    ``ours`` (training seeds, episodes) and ``theirs`` (1 or as many, episodes) are of the same
    episodes; the mean of the result is the probability of improvement.
    """
    return 0.5 * (1.0 + np.sign(ours - theirs))


def worst_family(scores: Mapping[str, Sequence[Floats]]) -> tuple[str, float]:
    """The family with the lowest mean, and that mean; ``scores`` has the strata of each."""
    means = {
        family: float(np.mean([values.mean() for values in strata]))
        for family, strata in scores.items()
    }
    worst = min(means, key=lambda family: means[family])
    return worst, means[worst]
