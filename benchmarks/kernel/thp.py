"""Huge pages by plans: a hot process gets them, and a cold one that uses little loses them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from damon_tuner._core import action_of
from damon_tuner.benchmarks.kernel.load import Load, Part, running
from damon_tuner.benchmarks.kernel.planned import planned_tenants
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.observe.counters import counters
from damon_tuner.kernel_iface.sysfs.observe.huge_pages import KHUGEPAGED
from damon_tuner.kernel_iface.sysfs.observe.process import process_memory
from damon_tuner.kernel_iface.sysfs.observe.table import since
from damon_tuner.kernel_iface.sysfs.tree import Tree

LIMIT_S = 150.0
_MIB = 1 << 20
_LOAD_CPU = 1
_PAGES_USED = 16

HOT = Part(64 * _MIB, hot=True, huge="later")
SPARSE = Part(128 * _MIB, huge="always", pages_used=_PAGES_USED)

_GROUPS = ("thp",)
_SWIFT = {
    "huge_min_samples_share": action_of("huge_min_samples_share", 0.2),
    "split_min_age_s": -1.0,
    "huge_quota_bytes_per_s": 1.0,
}


def measure() -> dict[str, object]:
    """Plan for both until each has what is expected of it, or the time is up."""
    tree = Tree(LocalKernel())
    with (
        _khugepaged_rests(tree),
        running((HOT,), _LOAD_CPU) as hot,
        running((SPARSE,), _LOAD_CPU) as sparse,
        planned_tenants(_GROUPS) as tenants,
    ):
        loads = {"hot": hot, "sparse": sparse}
        seen = {
            name: tenants.add(name, load.pid, _SWIFT, by_group=False)
            for name, load in loads.items()
        }
        before, at_first = _memories(tree, loads), counters(tree)
        took_s: list[float] = []

        def look(at_s: float) -> bool:
            now = _memories(tree, loads)
            is_done = _share(now["hot"], HOT) >= 0.9 and _share(now["sparse"], SPARSE) <= 0.25
            if is_done:
                took_s.append(round(at_s, 1))
            return is_done

        tenants.run(LIMIT_S, look)
        after = _memories(tree, loads)
        come = since(counters(tree), at_first)
    return {
        "before": before,
        "after": after,
        "took_s": took_s[0] if took_s else None,
        "used_bytes": SPARSE.size_bytes // (2 * _MIB) * _PAGES_USED * 4096,
        "observed_huge_bytes": {
            name: [snapshot.huge_bytes for snapshot in each.snapshots]
            for name, each in seen.items()
        },
        "events": {name: value for name, value in asdict(come).items() if "thp" in name},
    }


def _share(memory: Mapping[str, int], part: Part) -> float:
    return memory["huge_bytes"] / part.size_bytes


def _memories(tree: Tree, loads: Mapping[str, Load]) -> dict[str, dict[str, Any]]:
    return {name: _memory(tree, load) for name, load in loads.items()}


def _memory(tree: Tree, load: Load) -> dict[str, int]:
    found = process_memory(tree, load.pid)
    assert found is not None
    return {
        "resident_bytes": found.resident_bytes,
        "huge_bytes": found.anon_huge_bytes or 0,
        "swapped_bytes": found.swapped_bytes or 0,
    }


@contextmanager
def _khugepaged_rests(tree: Tree) -> Iterator[None]:
    """What the kernel collapses by itself would be taken for ours."""
    ledger = Ledger(tree)
    ledger.write(f"{KHUGEPAGED}/scan_sleep_millisecs", "600000")
    try:
        yield
    finally:
        ledger.restore()
