"""What one measurement found, or why there is none."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Origin = Literal["measured", "read", "missing"]
"""Timed here; told by the kernel's files; or not known, so that a default has to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Repeated values of one quantity, in ``unit``.

    ``how`` says in a few words what was done, and for a missing one why it is missing. A name
    that a host profile has is meant for it; the others inform people.
    """

    name: str
    unit: str
    origin: Origin
    values: tuple[float, ...]
    how: str

    @property
    def median(self) -> float:
        """The value to go by; a finding that is missing has none."""
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """Least and most of the repeats."""
        return min(self.values), max(self.values)


def measured(name: str, unit: str, values: Sequence[float], how: str) -> Finding:
    """Something that was timed here, once or more."""
    return Finding(name, unit, "measured", tuple(values), how)


def told(name: str, unit: str, value: float, how: str) -> Finding:
    """Something that the kernel says."""
    return Finding(name, unit, "read", (value,), how)


def missing(name: str, why: str) -> Finding:
    """Something that could not be found out."""
    return Finding(name, "", "missing", (), why)
