"""A kdamond for a moment: most of DAMON's files exist only while there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from damon_tuner.kernel_iface.sysfs.features import make_samples
from damon_tuner.kernel_iface.sysfs.ledger import Ledger, refuse_leftover
from damon_tuner.kernel_iface.sysfs.lock import take_lock
from damon_tuner.kernel_iface.sysfs.occupants import (
    ADMIN,
    NR_KDAMONDS,
    require_damon,
    require_unused,
)
from damon_tuner.kernel_iface.sysfs.tree import Tree


@contextmanager
def sample_kdamond(tree: Tree, folder: Path) -> Iterator[None]:
    """Have a kdamond that does not run, with one of each of its children, inside the block.

    It is in the journal in ``folder`` as long as it is there.

    Raises:
        DamonMissingError: the kernel has no DAMON.
        DamonBusyError: somebody uses DAMON; nothing was written.
        LeftoverError: a killed run has left changes; nothing was written.
        JournalError: the journal cannot be written; nothing was changed.
        NoPermissionError: not root.
        NotRestoredError: the kdamond could not be removed again.
    """
    require_damon(tree)
    unlock = take_lock(tree.kernel, folder)
    ledger = Ledger(tree, folder)
    try:
        refuse_leftover(tree, folder)
        require_unused(tree)
        ledger.write(NR_KDAMONDS, "1")
        make_samples(tree, f"{ADMIN}/kdamonds/0")
        yield
    finally:
        try:
            ledger.restore()
        finally:
            unlock()
