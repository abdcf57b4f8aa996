"""What tenants saved in the last minute, as a client that looks again and again has seen it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from damon_tuner.daemon.status import DaemonStatus

SPAN_S = 60.0


class History:
    """Saved bytes by tenant, of the last ``SPAN_S`` seconds."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Mapping[str, int]]] = deque()

    def add(self, now_s: float, status: DaemonStatus) -> None:
        """Take a look at ``now_s``, which never goes back."""
        self._looks.append((now_s, {t.name: t.saved_bytes for t in status.tenants}))
        while self._looks[0][0] < now_s - SPAN_S:
            self._looks.popleft()

    def saved(self, tenant: str | None, nr_cells: int) -> list[int | None]:
        """Return what was saved at evenly spaced times, the newest last; None is not known.

        Without a ``tenant``, what all of them saved together.
        """
        if not self._looks:
            return [None] * nr_cells
        newest_s = self._looks[-1][0]
        step_s = SPAN_S / nr_cells
        return [self._at(newest_s - step_s * cell, tenant) for cell in reversed(range(nr_cells))]

    def _at(self, time_s: float, tenant: str | None) -> int | None:
        saved = next((saved for at_s, saved in reversed(self._looks) if at_s <= time_s), None)
        if saved is None:
            return None
        return sum(saved.values()) if tenant is None else saved.get(tenant)
