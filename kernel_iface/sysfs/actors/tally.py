"""The counters behind :class:`ActorStats`, while an actor runs."""

from __future__ import annotations

from damon_tuner.kernel_iface.sysfs.actors.actor import ActorStats


class Tally:
    """Counts what an actor does."""

    def __init__(self) -> None:
        self._nr_tried = self._sz_tried_bytes = 0
        self._nr_applied = self._sz_applied_bytes = 0
        self._nr_failed = self._nr_held_back = 0
        self._last_failure = ""

    def tried(self, size_bytes: int = 0) -> None:
        """Count an attempt."""
        self._nr_tried += 1
        self._sz_tried_bytes += size_bytes

    def applied(self, size_bytes: int = 0) -> None:
        """Count an attempt that had an effect."""
        self._nr_applied += 1
        self._sz_applied_bytes += size_bytes

    def failed(self, why: str) -> None:
        """Count an attempt that had none."""
        self._nr_failed += 1
        self._last_failure = why

    def held_back(self) -> None:
        """Count standing still because of a limit that is no quota."""
        self._nr_held_back += 1

    def stats(self, qt_exceeds: int) -> ActorStats:
        """Return what was counted."""
        return ActorStats(
            nr_tried=self._nr_tried,
            sz_tried_bytes=self._sz_tried_bytes,
            nr_applied=self._nr_applied,
            sz_applied_bytes=self._sz_applied_bytes,
            nr_failed=self._nr_failed,
            nr_held_back=self._nr_held_back,
            qt_exceeds=qt_exceeds,
            last_failure=self._last_failure,
        )
