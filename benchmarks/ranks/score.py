"""One number for what a policy did to a load, the same in the simulator and the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from damon_tuner.benchmarks.normalised import normalised_score


@dataclass(frozen=True, slots=True)
class Outcome:
    """Shares of the resident memory saved and of the time lost, and major faults."""

    saving: float
    slowdown: float
    faults: float

    def score(self, budget: float) -> float:
        """The normalised score, where all of the resident memory could be saved."""
        of_all = normalised_score(*map(np.array, (self.saving, self.slowdown, 1.0, budget)))
        return float(of_all)
