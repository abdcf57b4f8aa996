"""Actors on a fake kernel whose time and pressure the test sets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from damon_tuner.kernel_iface.sysfs.actors import Actor
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .fake_memory import MemoryKernel


@pytest.fixture
def kernel() -> MemoryKernel:
    return MemoryKernel()


@pytest.fixture
def tree(kernel: MemoryKernel) -> Tree:
    return Tree(kernel, busy_timeout_s=0)


@pytest.fixture
def ledger(tree: Tree) -> Ledger:
    return Ledger(tree)


@pytest.fixture
def run(kernel: MemoryKernel) -> Callable[..., None]:
    """Advance an actor every ``step_s`` seconds, after a first look."""

    def run(actor: Actor, seconds: float = 100.0, step_s: float = 5.0) -> None:
        for _ in range(round(seconds / step_s)):
            actor.advance(kernel.clock_us)
            kernel.clock_us += round(step_s * 1e6)

    return run
