"""Tenants whose plans the decision path makes, carried out by the code that the daemon runs.

No network decides: an action is held, so that a figure is about the plan and its carrying out.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from damon_tuner import _core
from damon_tuner.kernel_iface.host import Context, Snapshot, Target
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.lease import LEASE_S
from damon_tuner.kernel_iface.sysfs.plans import PlanCarrier, nr_node_slots
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost
from damon_tuner.kernel_iface.sysfs.tree import Tree
from damon_tuner.policies.decision import CONTROL_INTERVAL_S, MONITORING
from damon_tuner.policies.plan_from_core import plan_from_core

CGROUPS = Path("/sys/fs/cgroup")
_BUDGET = 0.1
_OWN_CPU = 0


class Planned:
    """One tenant, and the action that its plans are made from, by the names of its knobs.

    An action is from -1, the knob's lowest value, to 1, its highest; the guard lets some of them
    get there only step by step.
    """

    def __init__(
        self, host: SessionHost, action: Mapping[str, float], groups: Sequence[str], budget: float
    ) -> None:
        self.host = host
        self.snapshots: list[Snapshot] = []
        names = _core.knob_names(groups)
        self._decider = _core.Decider(budget, groups=groups)
        self._action = array("f", (action[name] for name in names))
        self._observation = array("f", bytes(4 * len(_core.observation_names(groups))))

    def round(self, name: str, carrier: PlanCarrier) -> None:
        """Observe, plan, and set the tenant's own schemes."""
        snapshot = carrier.observed(name, self.host.snapshot())
        self._decider.observe(snapshot, self._observation)
        carrier.plan(name, plan_from_core(self._decider.act(self._action)))
        self.snapshots.append(snapshot)


class PlannedTenants:
    """All tenants of one session, round by round."""

    def __init__(self, session: Session, groups: Sequence[str]) -> None:
        self.carrier = PlanCarrier(session, groups=groups, lease_s=LEASE_S)
        self._session = session
        self._groups = groups
        self._tenants: dict[str, Planned] = {}

    def add(
        self,
        name: str,
        pid: int,
        action: Mapping[str, float],
        *,
        by_group: bool,
        groups: Sequence[str] = (),
        budget: float = _BUDGET,
    ) -> Planned:
        """Manage a process, or the control group of the tenant's name with that process in it.

        By knobs of its own ``groups``, or those of all tenants.
        """
        host = SessionHost(
            self._session, Context(targets=(Target(pid),), attrs=MONITORING), lease_s=LEASE_S
        )
        host.start(())
        self.carrier.add(name, host, name if by_group else None)
        self._tenants[name] = Planned(host, action, groups or self._groups, budget)
        return self._tenants[name]

    def run(self, limit_s: float, look: Callable[[float], bool]) -> None:
        """Decide every control interval until ``look`` says enough, which it may each second.

        ``look`` is given the seconds since the beginning.
        """
        began = time.monotonic()
        due_s = at_s = 0.0
        while at_s < limit_s:
            if at_s >= due_s:
                due_s += CONTROL_INTERVAL_S
                self.round()
            wait_s = self.carrier.advance()
            time.sleep(min(1.0, wait_s or 1.0))
            at_s = time.monotonic() - began
            if look(at_s):
                return

    def round(self) -> None:
        """Decide once for all tenants."""
        for name, tenant in self._tenants.items():
            tenant.round(name, self.carrier)
        self.carrier.carry_out()


@contextmanager
def planned_tenants(groups: Sequence[str], max_tenants: int = 2) -> Iterator[PlannedTenants]:
    """Take DAMON for some tenants; everything is as before when the block ends."""
    os.sched_setaffinity(0, {_OWN_CPU})
    nr_slots = max_tenants + nr_node_slots(Tree(LocalKernel()), max_tenants)
    with Session(nr_slots) as session:
        session.open()
        tenants = PlannedTenants(session, groups)
        try:
            yield tenants
        finally:
            tenants.carrier.stop()


@contextmanager
def control_group(name: str) -> Iterator[Path]:
    """Make a control group, and remove it when its processes are gone."""
    path = CGROUPS / name
    path.mkdir()
    try:
        yield path
    finally:
        for _ in range(50):
            if not (path / "cgroup.procs").read_text():
                break
            time.sleep(0.1)
        path.rmdir()
