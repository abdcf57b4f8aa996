"""A figure: one measured number with its unit, as one JSON object on a line."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` in ``unit``; shares are 0 to 1, a yes or no is 1 or 0.

    ``more`` holds what belongs to the number: its spread or interval, how often it was measured.
    """

    name: str
    value: float
    unit: str
    more: Mapping[str, object] = field(default_factory=dict)

    def line(self) -> str:
        """The figure as one line of JSON."""
        value = self.value if math.isfinite(self.value) else None
        return json.dumps({"figure": self.name, "value": value, "unit": self.unit, **self.more})


def repeated(name: str, values: Sequence[float], unit: str, **more: object) -> Figure:
    """The median of repeated measurements, with their spread."""
    spread = {"min": min(values), "max": max(values), "runs": len(values)}
    return Figure(name, statistics.median(values), unit, {**spread, **more})
