"""Trouble of the whole host that no snapshot of a tenant shows: it trips the guard of each."""

from __future__ import annotations

from damon_tuner.daemon.config import Breaker
from damon_tuner.daemon.status import HostStatus
from damon_tuner.kernel_iface.sysfs.observe.counters import counters
from damon_tuner.kernel_iface.sysfs.observe.memory import Memory, memory
from damon_tuner.kernel_iface.sysfs.observe.nodes import Node, nodes
from damon_tuner.kernel_iface.sysfs.observe.pressure import pressure_some_us
from damon_tuner.kernel_iface.sysfs.tree import Tree

PRESSURE, SWAP, FAST_NODE, REFAULTS = "pressure", "swap", "fast_node", "refaults"


class HostWatch:
    """Looks at the host once a round, and says what is wrong with it by ``limits``."""

    def __init__(self, tree: Tree, limits: Breaker) -> None:
        self._tree = tree
        self.limits = limits
        self.status: HostStatus | None = None
        self._time_us = self._pressure_us = self._refaults = 0

    def look(self) -> tuple[str, ...]:
        """Return what has tripped since the last look, and why in words of the guard.

        The first look knows no rates. Raises what ``Tree`` raises.
        """
        with self._tree.sensible():
            now_us = self._tree.kernel.now_us()
            found = memory(self._tree)
            pressure_us = pressure_some_us(self._tree)
            refaults = counters(self._tree).workingset_refault_anon or 0
            fast_free = _fast_free_share(nodes(self._tree))
        passed_us = now_us - self._time_us if self._time_us else 0
        pressure = _rate(pressure_us - self._pressure_us, passed_us)
        refaults_per_s = _rate(refaults - self._refaults, passed_us) * 1e6
        self._time_us, self._pressure_us, self._refaults = now_us, pressure_us, refaults
        self.status = _status(found, pressure)
        limits = self.limits
        tripped = {
            PRESSURE: pressure > limits.max_pressure,
            SWAP: _swap_free_share(found) < limits.min_swap_free,
            FAST_NODE: fast_free < limits.min_fast_node_free,
            REFAULTS: refaults_per_s > limits.max_refaults_per_s,
        }
        return tuple(reason for reason, is_wrong in tripped.items() if is_wrong)


def _rate(count: int, passed_us: int) -> float:
    return max(count, 0) / passed_us if passed_us > 0 else 0.0


def _swap_free_share(found: Memory) -> float:
    """A host without swap has none left."""
    return found.swap_free_bytes / found.swap_total_bytes if found.swap_total_bytes else 0.0


def _fast_free_share(found: tuple[Node, ...]) -> float:
    """Where all memory is alike, page cache fills it, and that is no trouble."""
    tiers = {node.tier for node in found if node.tier is not None}
    if len(tiers) < 2:
        return 1.0
    fast = [node for node in found if node.tier == min(tiers)]
    total_bytes = sum(node.total_bytes for node in fast)
    return sum(node.free_bytes for node in fast) / total_bytes if total_bytes else 1.0


def _status(found: Memory, pressure: float) -> HostStatus:
    return HostStatus(
        memory_total_bytes=found.total_bytes,
        memory_free_bytes=found.free_bytes,
        swap_total_bytes=found.swap_total_bytes,
        swap_free_bytes=found.swap_free_bytes,
        pressure=min(pressure, 1.0),
    )
