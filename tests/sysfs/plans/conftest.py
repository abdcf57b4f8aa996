"""A session on a fake kernel with two tiers, and tenants that are ready to be planned for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from damon_tuner.kernel_iface.host import Context, Operations, Target
from damon_tuner.kernel_iface.sysfs.plans import PlanCarrier, nr_node_slots
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost

from .fake_tiers import TierKernel


@pytest.fixture
def kernel() -> TierKernel:
    return TierKernel()


@pytest.fixture
def session(kernel: TierKernel, tmp_path: Path) -> Iterator[Session]:
    session = Session(1, kernel=kernel, state_dir=tmp_path / "state")
    slots = 4 + nr_node_slots(session.tree, 4)
    session = Session(slots, kernel=kernel, state_dir=tmp_path / "state")
    session.open()
    yield session
    session.close()


@pytest.fixture
def carrier(session: Session) -> PlanCarrier:
    return PlanCarrier(session)


@pytest.fixture
def add(kernel: TierKernel, session: Session, carrier: PlanCarrier) -> Callable[..., SessionHost]:
    """Start a tenant: a process, with a control group if it is given one, or the whole host."""

    def add(name: str, pid: int | None = None, group: str | None = None) -> SessionHost:
        if pid is None:
            context = Context(Operations.PADDR)
        else:
            kernel.spawn(pid)
            context = Context(targets=(Target(pid),))
        if group is not None and group not in kernel.cgroups:
            kernel.add_cgroup(group)
        host = SessionHost(session, context)
        host.start(())
        carrier.add(name, host, group)
        return host

    return add
