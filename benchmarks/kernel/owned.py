"""DAMON for one measurement: taken, and given back whatever happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.occupants import DAMON_STAT_ENABLED
from damon_tuner.kernel_iface.sysfs.tree import Tree


@contextmanager
def owned_damon(tree: Tree, settings: Mapping[str, str] | None = None) -> Iterator[Damon]:
    """Give DAMON, not started yet, with these ``settings`` of the kernel in force.

    Everything is as before when the block ends.
    """
    ledger = Ledger(tree)
    try:
        if tree.exists(DAMON_STAT_ENABLED):
            ledger.write(DAMON_STAT_ENABLED, "N")
        for path, text in (settings or {}).items():
            ledger.write(path, text)
        yield Damon(tree, ledger)
    finally:
        ledger.restore()
