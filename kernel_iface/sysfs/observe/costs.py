"""What page-out costs, as far as a host can tell: where faults read from, and the CPU it takes."""

from __future__ import annotations

from dataclasses import dataclass

from damon_tuner.kernel_iface.sysfs.observe.counters import swap_ins
from damon_tuner.kernel_iface.sysfs.observe.cpu import HostCpu, host_cpu, thread_time_us
from damon_tuner.kernel_iface.sysfs.observe.memory import Memory
from damon_tuner.kernel_iface.sysfs.observe.swap import disk_swapped_share
from damon_tuner.kernel_iface.sysfs.tree import Tree


@dataclass(frozen=True, slots=True)
class Costs:
    """Fields of a snapshot, as it explains them."""

    disk_swapped_share: float
    swap_ins: int
    competing_us: int


class CostObserver:
    """Looks at the costs of one kdamond's work again and again.

    Of several tenants of a kdamond each gets the whole: who competes with all competes with each.
    What kdamonds of the nodes take, which tiering has, is not in it.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._competing_us = 0.0
        self._seen: tuple[int, int, HostCpu] | None = None

    def look(self, kdamond_pid: int, memory: Memory) -> Costs:
        """Look once more; ``kdamond_pid`` may be another than before, ``memory`` is of now.

        Raises:
            KernelFileError: a file does not hold what it should.
        """
        self._note_cpu(kdamond_pid)
        return Costs(
            disk_swapped_share(self._tree, memory.zswap_stored_bytes or 0),
            swap_ins(self._tree),
            round(self._competing_us),
        )

    def _note_cpu(self, pid: int) -> None:
        thread_us, cpu = thread_time_us(self._tree, pid), host_cpu(self._tree)
        if thread_us is None:
            self._seen = None
            return
        if self._seen is not None and self._seen[0] == pid:
            _, thread_before_us, before = self._seen
            busy = cpu.busy_us - before.busy_us
            passed = busy + cpu.idle_us - before.idle_us
            if passed > 0:
                took_us = max(thread_us - thread_before_us, 0)
                self._competing_us += took_us * min(max(busy / passed, 0.0), 1.0)
        self._seen = pid, thread_us, cpu
