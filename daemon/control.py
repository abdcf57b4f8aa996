"""The control loop: observe, decide, act, once a control interval, until told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from damon_tuner.daemon.outcome import Outcome
from damon_tuner.kernel_iface.host import Host
from damon_tuner.kernel_iface.plan import carry_out
from damon_tuner.policies.decision import CONTROL_INTERVAL_S, DEFAULT_BUDGET, Policy


def control(
    host: Host,
    policy: Policy,
    *,
    on_step: Callable[[Outcome], None],
    tenant: str = "tenant",
    budget: float = DEFAULT_BUDGET,
    interval_s: float = CONTROL_INTERVAL_S,
    duration_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Let ``policy`` manage ``host`` for ``duration_s`` seconds, or until something is raised.

    The first decision is taken at once. Whatever ends the loop, the host is as it was before.
    """
    try:
        host.start(())
        started = clock()
        knobs: Mapping[str, float] = {}
        while True:
            snapshot = host.snapshot()
            decision = policy.decide(snapshot)
            carry_out(host, decision.plan)
            elapsed_s = clock() - started
            on_step(Outcome(tenant, elapsed_s, budget, snapshot, decision, knobs))
            knobs = decision.knobs
            left_s = interval_s if duration_s is None else duration_s - elapsed_s
            if left_s <= 0.0:
                return
            host.advance(min(interval_s, left_s))
    finally:
        # Twice, because a signal may arrive just before the first; there is only one that raises.
        try:
            host.stop()
        finally:
            host.stop()
