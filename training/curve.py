"""How fast a run has learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Curve = Sequence[tuple[int, float]]
"""(Control intervals so far, mean reward of a control interval since the point before)."""

_FINAL_SHARE = 0.1
_SMOOTHED_SHARE = 0.05


def steps_to_share(curve: Curve, share: float = 0.9) -> int:
    """Control intervals after which ``share`` of the final improvement was reached, to stay.

    The start is the first point, the end the mean of the last tenth. Between them a point counts
    as the mean of the twentieth of the run that ends with it, since what is drawn differs.
    """
    steps = np.array([step for step, _ in curve])
    rewards = np.array([reward for _, reward in curve])
    width = max(1, round(_SMOOTHED_SHARE * len(curve)))
    smooth = np.array([rewards[max(0, i + 1 - width) : i + 1].mean() for i in range(len(curve))])
    final = rewards[-max(1, round(_FINAL_SHARE * len(curve))) :].mean()
    wanted = rewards[0] + share * (final - rewards[0])
    reached = smooth >= wanted if final >= rewards[0] else smooth <= wanted
    return int(steps[np.argmax(reached)]) if reached.any() else int(steps[-1])
