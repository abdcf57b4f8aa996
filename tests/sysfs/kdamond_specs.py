"""What the tests of several kdamonds share."""

from __future__ import annotations

import os

from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    GoalMetric,
    KdamondSpec,
    Quota,
    QuotaGoal,
    Scheme,
    Target,
)
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .fake_kernel import PID, FakeKernel

OTHERS = (7, 8, 9)
RESET_US = 2_000_000

USER_GOAL = QuotaGoal(GoalMetric.USER_INPUT, 100, 10)
PSI_GOAL = QuotaGoal(GoalMetric.SOME_MEM_PSI_US, 1_000)


def scheme(*goals: QuotaGoal, min_age: int = 1) -> Scheme:
    quota = Quota(sz_bytes=1 << 20, reset_interval_ms=RESET_US // 1_000, goals=goals)
    return Scheme(Action.PAGEOUT, AccessPattern(min_age=min_age), quota)


def spec(*schemes: Scheme, **context: object) -> KdamondSpec:
    return KdamondSpec(Context(**(context or {"pid": PID})), schemes)


def of(*pids: int, schemes: tuple[Scheme, ...] = ()) -> KdamondSpec:
    return KdamondSpec(Context(targets=tuple(Target(pid) for pid in pids)), schemes)


def crowded_kernel(version: str = "7.3") -> FakeKernel:
    """A kernel with several processes, of which this one is alive for certain."""
    kernel = FakeKernel(version)
    for pid in (*OTHERS, os.getpid()):
        kernel.spawn(pid)
    return kernel


def started(kernel: FakeKernel, *specs: KdamondSpec) -> Damon:
    tree = Tree(kernel)
    damon = Damon(tree, Ledger(tree))
    damon.start(specs)
    kernel.writes.clear()
    kernel.commits.clear()
    return damon


def words(kernel: FakeKernel) -> list[str]:
    return [text for path, text in kernel.writes if path.endswith("/state")]
