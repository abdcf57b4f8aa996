"""The kernel's own moving of pages between tiers, set so that it helps ours."""

from __future__ import annotations

from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.observe.nodes import (
    BALANCING,
    BALANCING_TIERING,
    DEMOTION,
    tiering,
)
from damon_tuner.kernel_iface.sysfs.tree import Tree


class TierSettings:
    """Reclaim demotes before it pages out, and NUMA balancing does not promote, while ``hold``.

    Promotion takes free pages of the fast node: with demotion, what runs short there makes room
    by moving pages to a slower node, and not by paging out.
    """

    def __init__(self, tree: Tree, ledger: Ledger) -> None:
        self._tree = tree
        self._ledger = ledger
        self._is_held = False

    def hold(self) -> None:
        """Set both, where they are not so and this kernel has them; raises as ``Ledger.write``.

        Who sets them otherwise meanwhile is left alone.
        """
        if self._is_held:
            return
        self._is_held = True
        found = tiering(self._tree)
        if found.demotion is False:
            # Older kernels do not take back the word that they show.
            self._ledger.write(DEMOTION, "1", undo="0")
        if found.promotion:
            balancing = int(self._tree.read(BALANCING)) & ~BALANCING_TIERING
            self._ledger.write(BALANCING, str(balancing))

    def release(self) -> None:
        """Put both back; raises ``NotRestoredError``."""
        self._is_held = False
        self._ledger.put_back(DEMOTION, BALANCING)
