"""One number for what a policy did to a load, the same in the simulator and the kernel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """Shares of the resident memory saved and of the time lost, and major faults."""

    saving: float
    slowdown: float
    faults: float

    def score(self, budget: float) -> float:
        """What is saved, less what is lost over the budget; not below -1."""
        return max(self.saving - max(0.0, self.slowdown / budget - 1.0), -1.0)
