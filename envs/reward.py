"""What an agent is rewarded for: memory cost saved, within the slowdown budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damon_tuner._core import MIN_CPU_SHARE, TRUTH_NAMES

Floats = NDArray[np.float64]

_COLUMN = {name: i for i, name in enumerate(TRUTH_NAMES)}


@dataclass(frozen=True, slots=True)
class RewardWeights:
    """How a control interval's slowdown weighs against its saving.

    ``used`` is the price of using the budget once, of which at most ``used_max`` are counted: a
    burst of faults is far above any budget, and an agent must still tell a long one from a short
    one. A load that runs faster earns at most as much. ``breach`` is the price of being above the
    budget at all, and ``beyond`` that of each doubling above it.
    """

    used: float = 0.06
    used_max: float = 100.0
    breach: float = 0.9
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
    worked_us = np.maximum(columns["busy_us"], MIN_CPU_SHARE * columns["time_us"])
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
    price = weights.used * np.clip(used, -1.0, weights.used_max) + weights.breach * (used > 1.0)
    return result.saving - price - weights.beyond * np.log2(np.maximum(used, 1.0))
