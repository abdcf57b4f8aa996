"""What a policy has been trained on: the range of each feature of its observations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from damon_tuner.policies.schema import RECLAIM, Schema

MARGIN = 0.05
"""How far outside its range a feature may be, as every feature is scaled."""

RANGE_MARGIN = 0.10
"""And how far more, as a share of its range."""

# What the decision path sets itself says nothing of the host: an operator's limits and trips from
# outside may put these where no training run has.
_OWN_PREFIX, _OWN = "last_", "hold"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The lowest and highest of each feature, in the order of ``schema.observation_names``.

    Raises:
        ValueError: the ranges are not one for each feature, not finite or the wrong way round.

    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    schema: Schema = RECLAIM

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        if not len(self.low) == len(self.high) == self.schema.nr_features:
            raise ValueError("an envelope has one range for each feature")
        if not all(map(math.isfinite, (*self.low, *self.high))):
            raise ValueError("an envelope's ranges are finite")
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError("an envelope's ranges go from low to high")

    def outside(self, observation: Sequence[float]) -> tuple[str, ...]:
        """The names of the features that lie further outside than the margin; NaN always does."""
        names = self.schema.observation_names
        rows = zip(names, self.low, self.high, observation, strict=True)
        return tuple(
            name
            for name, low, high, value in rows
            if not _is_own(name) and not _is_within(value, low, high)
        )


def _is_own(name: str) -> bool:
    return name.startswith(_OWN_PREFIX) or name == _OWN


def _is_within(value: float, low: float, high: float) -> bool:
    margin = MARGIN + RANGE_MARGIN * (high - low)
    return low - margin <= value <= high + margin


def everything(schema: Schema = RECLAIM) -> Envelope:
    """All that an observation can be."""
    return Envelope((-1.0,) * schema.nr_features, (1.0,) * schema.nr_features, schema)
