"""What an agent is rewarded for: memory cost saved, within the slowdown budget."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damon_tuner._core import MIN_WORKED_SHARE, TRUTH_NAMES

Floats = NDArray[np.float64]

_USUAL_BUDGET = 0.02
_COLUMN = {name: i for i, name in enumerate(TRUTH_NAMES)}


@dataclass(frozen=True, slots=True)
class RewardWeights:
    """How a control interval's slowdown weighs against its saving.

    A saving is worth ``sqrt(saving + even) - sqrt(even)``, which is proportional to it while it is
    small against ``even`` and grows ever less beyond: a policy that saves a little on every load
    is better than one that saves much on few. ``used`` is the price of using the budget once, of
    which at most ``used_max`` are counted: a burst of faults is far above any budget, and an agent
    must still tell a long one from a short one. A load that runs faster earns at most as much.
    ``breach`` is the price of being above a budget of 2 % at all, and ``beyond`` that of each
    doubling above the budget. With a larger budget more can be saved, so that breaches pay sooner:
    their price is in proportion to the budget to the power of ``breach_power``.
    """

    even: float = 0.01
    used: float = 0.02
    used_max: float = 100.0
    breach: float = 1.15
    breach_power: float = 0.65
    beyond: float = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one control interval cost, row by row; each field has shape (rows,).

    ``saving`` is 1 - cost / cost without management. ``slowdown`` is time lost over time worked,
    beyond what is lost without management: it can be negative.
    """

    saving: Floats
    slowdown: Floats
    resident_saving: Floats


def outcome(truth: Floats) -> Outcome:
    """Read the simulator's ``truth`` (hosts x T, differences over an interval)."""
    columns = {name: truth[:, i] for name, i in _COLUMN.items()}
    lost_us = columns["lost_us"] - columns["lost_unmanaged_us"]
    worked_us = np.maximum(columns["busy_us"], MIN_WORKED_SHARE * columns["time_us"])
    return Outcome(
        saving=1.0 - columns["cost_byte_s"] / columns["cost_unmanaged_byte_s"],
        slowdown=lost_us / worked_us,
        resident_saving=1.0 - columns["resident_byte_s"] / columns["touched_byte_s"],
    )


def estimated_outcome(
    resident_bytes: Floats, swapped_bytes: Floats, compressed_bytes: Floats, slowdown: Floats
) -> Outcome:
    """What a live host can tell of an interval: memory at its end, and an estimated slowdown.

    All shapes are (rows,). The compressed pool is the host's: no more of it than a tenant has out
    can be the tenant's.
    """
    tenant = np.maximum(resident_bytes + swapped_bytes, 1.0)
    compressed = np.minimum(compressed_bytes, swapped_bytes)
    return Outcome(
        saving=1.0 - (resident_bytes + compressed) / tenant,
        slowdown=slowdown,
        resident_saving=1.0 - resident_bytes / tenant,
    )


def reward(result: Outcome, budget: Floats, weights: RewardWeights) -> Floats:
    """Reward of each host's interval, shape (hosts,)."""
    used = result.slowdown / budget
    breach = weights.breach * (budget / _USUAL_BUDGET) ** weights.breach_power
    price = weights.used * np.clip(used, -1.0, weights.used_max) + breach * (used > 1.0)
    price += weights.beyond * np.log2(np.maximum(used, 1.0))
    worth: Floats = _worth(result.saving, weights.even) - price
    return worth


def _worth(saving: Floats, even: float) -> Floats:
    return np.sign(saving) * (np.sqrt(np.abs(saving) + even) - math.sqrt(even))
