"""The kernel's own collapsing of small pages into huge ones, which may undo what a policy splits.

It is left alone unless that is asked for. Where huge pages are for who asks for them
(``madvise``), it works on what was advised, which is what the policy advises; and where they are
for everybody (``always``), memory that was split has been advised against them, and is passed by.
"""

from __future__ import annotations

from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.observe.huge_pages import KHUGEPAGED, huge_pages
from damon_tuner.kernel_iface.sysfs.tree import Tree

_BLOAT = f"{KHUGEPAGED}/max_ptes_none"
_SLEEP = f"{KHUGEPAGED}/scan_sleep_millisecs"

# Of the 512 pages of a huge one, how many may be untouched: a collapse adds an eighth at most.
_MAX_PTES_NONE = 64
_SCAN_SLEEP_MS = 60_000


class TamedKhugepaged:
    """Collapses little, and only what is mostly used, where huge pages are for everybody."""

    def __init__(self, tree: Tree, ledger: Ledger) -> None:
        self._tree = tree
        self._ledger = ledger
        self._is_held = False

    def hold(self) -> None:
        """Tame it, if it is not tamer already; raises as ``Ledger.write``.

        Who sets it otherwise meanwhile is left alone.
        """
        if self._is_held:
            return
        self._is_held = True
        found = huge_pages(self._tree)
        if found is None or found.enabled != "always":
            return
        if (found.khugepaged.max_ptes_none or 0) > _MAX_PTES_NONE:
            self._ledger.write(_BLOAT, str(_MAX_PTES_NONE))
        if (found.khugepaged.scan_sleep_ms or _SCAN_SLEEP_MS) < _SCAN_SLEEP_MS:
            self._ledger.write(_SLEEP, str(_SCAN_SLEEP_MS))

    def release(self) -> None:
        """Put it back; raises ``NotRestoredError``."""
        self._is_held = False
        self._ledger.put_back(_BLOAT, _SLEEP)
