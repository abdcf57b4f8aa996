"""Every action that each operations set of DAMON supports, and what it did to real memory.

What DAMON says it applied is not believed alone: beside it stands what the kernel says of the
pages themselves. ``stat`` does nothing, so of it counts what was tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from damon_tuner.benchmarks.kernel.load import Load, Part, running
from damon_tuner.benchmarks.kernel.numa import (
    MADV_COLD,
    MADV_PAGEOUT,
    PAGE_BYTES,
    advise,
    pages_by_node,
)
from damon_tuner.benchmarks.kernel.owned import owned_damon
from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.host import (
    Action,
    Context,
    Filter,
    FilterType,
    KdamondSpec,
    MonitoringAttrs,
    Operations,
    Scheme,
    SchemeStats,
)
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.observe.physical import system_ram
from damon_tuner.kernel_iface.sysfs.tree import Tree

_PROCESS = (
    *(Action.WILLNEED, Action.COLD, Action.PAGEOUT, Action.HUGEPAGE, Action.NOHUGEPAGE),
    *(Action.COLLAPSE, Action.MIGRATE_HOT, Action.MIGRATE_COLD, Action.STAT),
)
SUPPORTED: Mapping[Operations, tuple[Action, ...]] = {
    Operations.VADDR: _PROCESS,
    Operations.FVADDR: _PROCESS,
    Operations.PADDR: (
        *(Action.PAGEOUT, Action.LRU_PRIO, Action.LRU_DEPRIO),
        *(Action.MIGRATE_HOT, Action.MIGRATE_COLD, Action.STAT),
    ),
}

_SIZE_BYTES = 32 << 20
_LEAST_BYTES = 1 << 20
_LIMIT_S = 20.0
_FAST, _SLOW = 0, 1
_LOAD_CPU = 1
_GROUP = Path("/sys/fs/cgroup/actions")
# Many regions, so that some have no hole in them: advice for one with a hole is an error.
_ATTRS = MonitoringAttrs(min_nr_regions=100)
# the kernel's own collapsing would be taken for DAMON's
_ALONE = {
    "sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs": "600000",
    "proc/sys/kernel/numa_balancing": "0",
}

_Effect = Callable[[Load], int]


@dataclass(frozen=True, slots=True)
class Tried:
    """One action: what DAMON counted, and what became of the memory it was for."""

    operations: str
    action: str
    counted_bytes: int
    """``sz_applied``, but for ``stat`` ``sz_tried``."""
    effect: str
    """What was looked at, or empty where nothing can be seen."""
    effect_bytes: int
    seconds: float
    missing: str = ""
    """Why this kernel could not be asked."""

    @property
    def ok(self) -> bool:
        """Whether it was counted, and where it can be seen, was seen."""
        return self.counted_bytes > 0 and (not self.effect or self.effect_bytes >= _LEAST_BYTES)


def measure() -> list[Tried]:
    """Try every action of every operations set, each on a process of its own."""
    _GROUP.mkdir(exist_ok=True)
    try:
        return [_try(ops, action) for ops, actions in SUPPORTED.items() for action in actions]
    finally:
        # its last process may take a moment to be gone, and the guest ends anyway
        with suppress(OSError):
            _GROUP.rmdir()


def _try(operations: Operations, action: Action) -> Tried:
    tree = Tree(LocalKernel())
    huge = {Action.NOHUGEPAGE: "always", Action.COLLAPSE: "later"}.get(action, "never")
    part = Part(_SIZE_BYTES, node=_FAST, huge=huge)
    name, effect = _EFFECTS.get(action, ("", lambda load: 0))
    try:
        with running([part], _LOAD_CPU, _GROUP) as load, owned_damon(tree, _ALONE) as damon:
            _prepare(action, load)
            before, began = effect(load), time.monotonic()
            damon.start([_kdamond(tree, operations, action, load)])
            while True:
                time.sleep(0.2)
                counted = _counted(action, damon.stats(0)[0])
                seconds = time.monotonic() - began
                tried = Tried(operations, action, counted, name, effect(load) - before, seconds)
                if tried.ok or seconds > _LIMIT_S:
                    return tried
    except DamonMissingError as error:
        return Tried(operations, action, 0, name, 0, 0.0, str(error))


def _prepare(action: Action, load: Load) -> None:
    """Bring the memory into a state that the action can change."""
    advice = {Action.WILLNEED: MADV_PAGEOUT, Action.LRU_PRIO: MADV_COLD}.get(action)
    if advice is not None:
        for start, size in load.ranges(hot=False):
            advise(load.pid, start, size, advice)


def _kdamond(tree: Tree, operations: Operations, action: Action, load: Load) -> KdamondSpec:
    target = _SLOW if action in (Action.MIGRATE_HOT, Action.MIGRATE_COLD) else -1
    scheme = Scheme(action, target_nid=target)
    if operations is Operations.PADDR:
        only_load = Filter(FilterType.MEMCG, memcg_path=f"/{_GROUP.name}")
        scheme = Scheme(action, target_nid=target, filters=(only_load,))
        return KdamondSpec(Context(operations, _ATTRS, ranges=system_ram(tree)), (scheme,))
    if operations is Operations.FVADDR:
        ranges = tuple((start, start + size) for start, size in load.ranges(hot=False))
        return KdamondSpec(Context(operations, _ATTRS, load.pid, ranges), (scheme,))
    return KdamondSpec(Context(operations, _ATTRS, load.pid), (scheme,))


def _counted(action: Action, stats: SchemeStats) -> int:
    return stats.sz_tried_bytes if action is Action.STAT else stats.sz_applied_bytes


def _vmstat(name: str) -> _Effect:
    """A counter of pages, of the whole host: nothing else happens to them meanwhile."""

    def count(load: Load) -> int:
        lines = (line.split() for line in Path("/proc/vmstat").read_text().splitlines())
        return next(int(value) for key, value in lines if key == name) * PAGE_BYTES

    return count


def _swapped(load: Load) -> int:
    status = Path(f"/proc/{load.pid}/status").read_text()
    return int(status.split("VmSwap:")[1].split()[0]) << 10


def _flagged(flag: str) -> _Effect:
    """Bytes of the load's parts whose mapping has a flag of ``smaps``."""

    def size(load: Load) -> int:
        mappings = Path(f"/proc/{load.pid}/smaps").read_text().split("VmFlags:")
        found = 0
        for before, after in pairwise(mappings):
            words = after.partition("\n")[0].split()
            if flag in words:
                found += int(before.rpartition("\nSize:")[2].split()[0]) << 10
        return found

    return size


def _huge(load: Load) -> int:
    text = Path(f"/proc/{load.pid}/smaps_rollup").read_text()
    return int(text.split("AnonHugePages:")[1].split()[0]) << 10


def _on_slow(load: Load) -> int:
    return sum(
        pages_by_node(load.pid, start, size)[_SLOW] * PAGE_BYTES
        for start, size in load.ranges(hot=False)
    )


_EFFECTS: Mapping[Action, tuple[str, _Effect]] = {
    Action.WILLNEED: ("pswpin", _vmstat("pswpin")),
    Action.COLD: ("pgdeactivate", _vmstat("pgdeactivate")),
    Action.LRU_DEPRIO: ("pgdeactivate", _vmstat("pgdeactivate")),
    Action.LRU_PRIO: ("pgactivate", _vmstat("pgactivate")),
    Action.PAGEOUT: ("VmSwap", _swapped),
    Action.HUGEPAGE: ("VmFlags hg", _flagged("hg")),
    Action.NOHUGEPAGE: ("VmFlags nh", _flagged("nh")),
    Action.COLLAPSE: ("AnonHugePages", _huge),
    Action.MIGRATE_HOT: ("move_pages", _on_slow),
    Action.MIGRATE_COLD: ("move_pages", _on_slow),
}
