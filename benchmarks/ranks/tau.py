"""How far two rankings agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import nan, sqrt


def kendall_tau_b(left: Sequence[float], right: Sequence[float]) -> float:
    """Kendall's tau-b of two scores of the same things: 1 for one order, -1 for the reverse.

    Pairs that are tied in a ranking count for neither; NaN where one of them ties all.

    Raises:
        ValueError: they are not as many.

    """
    agreement = untied_left = untied_right = 0
    for (a, b), (c, d) in combinations(zip(left, right, strict=True), 2):
        ours, theirs = _sign(a - c), _sign(b - d)
        agreement += ours * theirs
        untied_left += abs(ours)
        untied_right += abs(theirs)
    untied = untied_left * untied_right
    return agreement / sqrt(untied) if untied else nan


def _sign(value: float) -> int:
    return (value > 0.0) - (value < 0.0)
