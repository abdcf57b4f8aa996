"""How fast the host's memory fills up."""

from __future__ import annotations

from damon_tuner.kernel_iface.sysfs.observe.memory import memory
from damon_tuner.kernel_iface.sysfs.tree import Tree

# Of what was seen before, what still counts a second later: who fills memory in bursts goes on.
_KEPT_A_SECOND = 0.7

# Shorter looks would tell noise.
_SHORTEST_US = 50_000


class Filling:
    """Watches what is in use; blocks that go or come back do not look like it."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._before: tuple[int, int] | None = None
        self.bytes_per_s = 0.0

    def look(self, now_us: int) -> None:
        """Take the memory in use at ``now_us`` into account; raises what ``Tree`` raises."""
        if self._before is not None and now_us - self._before[0] < _SHORTEST_US:
            return
        found = memory(self._tree)
        used_bytes = found.total_bytes - found.free_bytes
        if self._before is not None:
            seconds = (now_us - self._before[0]) / 1e6
            come = (used_bytes - self._before[1]) / seconds
            self.bytes_per_s = max(come, self.bytes_per_s * _KEPT_A_SECOND**seconds, 0.0)
        self._before = now_us, used_bytes
