"""One simulated host behind the same interface as a real one."""

from __future__ import annotations

from collections.abc import Sequence

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    Intervals,
    MonitoringAttrs,
    Region,
    Scheme,
    SchemeStats,
    Snapshot,
)


class SimHost:
    """A :class:`~damon_tuner.kernel_iface.host.Host` that lives in the simulator.

    ``spec`` holds the ranges from which the host and its load are drawn, ``seed`` what is drawn.
    """

    def __init__(
        self,
        spec: _core.Spec,
        *,
        seed: int,
        attrs: MonitoringAttrs | None = None,
    ) -> None:
        attrs = attrs or MonitoringAttrs()
        if attrs.intervals_goal.aggrs or attrs.probes:
            raise ValueError(
                "simulated hosts have no intervals_goal and no probes: leave them out"
            )
        self._intervals: Intervals = attrs.intervals
        self._spec = spec
        self._seed = seed
        self._batch = _core.Batch(
            1,
            1,
            attrs.intervals.sample_us,
            attrs.intervals.aggr_us,
            attrs.min_nr_regions,
            attrs.max_nr_regions,
        )

    def start(self, schemes: Sequence[Scheme]) -> None:
        """Begin a new episode from the seed."""
        # The batch's own decision path is not used here, so its budget does not matter.
        self._batch.reset(0, self._spec, self._seed, 1.0)
        self._batch.set_schemes(0, schemes)

    def advance(self, seconds: float) -> None:
        """Let simulated time pass."""
        self._batch.step(None, round(seconds * 1e6))

    def snapshot(self) -> Snapshot:
        """Observe the host."""
        fields = self._batch.snapshot(0)
        regions = tuple(Region(*region) for region in fields.pop("regions"))
        stats = tuple(SchemeStats(*row) for row in fields.pop("scheme_stats"))
        return Snapshot(intervals=self._intervals, regions=regions, scheme_stats=stats, **fields)

    def apply(self, schemes: Sequence[Scheme]) -> None:
        """Commit schemes."""
        self._batch.set_schemes(0, schemes)

    def stop(self) -> None:
        """Nothing outside the simulator was changed."""
