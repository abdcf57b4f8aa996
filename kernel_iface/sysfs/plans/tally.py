"""What schemes have moved for each tenant, though DAMON only counts by a scheme's index."""

from __future__ import annotations

from collections.abc import Sequence

from damon_tuner.kernel_iface.host import SchemeStats

Key = tuple[str, bool]
"""A tenant, and whether it is about promotion."""


class MovedTally:
    """Follows the statistics of one kdamond, whose schemes come and go."""

    def __init__(self) -> None:
        self.moved_bytes: dict[Key, int] = {}
        self._keys: tuple[Key | None, ...] = ()
        self._seen: list[int] = []

    def begin(self) -> None:
        """Count from 0: the kdamond has started anew."""
        self._seen = []

    def run(self, keys: Sequence[Key | None]) -> None:
        """Take note of whose scheme is at which index from now on; None counts for nobody."""
        self._keys = tuple(keys)
        # Statistics stay with the index: what is new there goes on where the one before was.
        self._seen = (self._seen + [0] * len(self._keys))[: len(self._keys)]

    def look(self, stats: Sequence[SchemeStats]) -> None:
        """Take the statistics of the running schemes, in their order, into account."""
        for index, (key, stat) in enumerate(zip(self._keys, stats, strict=False)):
            now, before = stat.sz_applied_bytes, self._seen[index]
            self._seen[index] = now
            if key is not None:
                come = now - before if now >= before else now
                self.moved_bytes[key] = self.moved_bytes.get(key, 0) + come

    def forget(self, tenant: str) -> None:
        """Drop what was counted for a tenant that is gone."""
        self.moved_bytes = {k: v for k, v in self.moved_bytes.items() if k[0] != tenant}
