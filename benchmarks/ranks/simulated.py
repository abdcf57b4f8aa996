"""The same loads under the same policies in the simulator, on a host as the guest is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from damon_tuner import _core
from damon_tuner.benchmarks.loads.contenders import contender
from damon_tuner.benchmarks.loads.memory import FREE_SHARE
from damon_tuner.benchmarks.ranks.patterns import Pattern
from damon_tuner.benchmarks.ranks.score import Outcome
from damon_tuner.kernel_iface.plan import carry_out
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import CONTROL_INTERVAL_S, MONITORING


@dataclass(frozen=True, slots=True)
class GuestHost:
    """What the guest was measured to be."""

    swap_in_us: float
    pressure_visibility: float
    """Of the time that faults take, the share that the kernel counts as pressure."""


class _TrueHost(SimHost):
    """A host that adds up what only the simulator knows."""

    def start(self, schemes: object = ()) -> None:
        """Begin a new episode."""
        super().start(())
        self.truth = np.zeros((1, len(_core.TRUTH_NAMES)))

    def advance(self, seconds: float) -> None:
        """Let simulated time pass."""
        truth = np.zeros_like(self.truth)
        self._batch.step(None, round(seconds * 1e6), None, truth)
        self.truth += truth


def play(
    pattern: Pattern,
    name: str,
    policy: Path,
    budget: float,
    seconds: float,
    seed: int,
    guest: GuestHost,
) -> Outcome:
    """Let the policy of that ``name`` manage the pattern for that long."""
    host = _TrueHost(_spec(pattern, seconds, guest), seed=seed, attrs=MONITORING)
    decides = contender(name, policy, budget)
    host.start()
    at_s = 0.0
    while at_s < seconds:
        if decides is not None:
            carry_out(host, decides.decide(host.snapshot()).plan)
        step_s = min(CONTROL_INTERVAL_S, seconds - at_s)
        host.advance(step_s)
        at_s += step_s
    truth = dict(zip(_core.TRUTH_NAMES, host.truth[0], strict=True))
    return Outcome(
        saving=1.0 - truth["resident_byte_s"] / truth["touched_byte_s"],
        slowdown=(truth["lost_us"] - truth["lost_unmanaged_us"]) / truth["time_us"],
        faults=truth["faults"],
    )


def _spec(pattern: Pattern, seconds: float, guest: GuestHost) -> _core.Spec:
    load = {"footprint_bytes": float(pattern.mapped_bytes), "threads": 1.0, "activity": 1.0}
    machine = {
        "memory_ratio": 1.0 / (1.0 - FREE_SHARE),
        # the load has a CPU to itself
        "cpu_ratio": 2.0,
        # zram: as much as one likes, of memory that is half noise
        "pool_share": 8.0,
        "swap_ratio": 4.0,
        "compression_ratio": 2.0,
        "incompressible_share": 0.0,
        "compressed_in_us": guest.swap_in_us,
        "swap_in_us": guest.swap_in_us,
        "swap_in_error": 1.0,
        "pressure_visibility": guest.pressure_visibility,
        "gap_share": 0.0,
    }
    return _core.Spec(
        "recorded",
        {name: (value, value) for name, value in load.items()},
        {name: (value, value) for name, value in machine.items()},
        program=np.array(pattern.rows(seconds)),
    )
