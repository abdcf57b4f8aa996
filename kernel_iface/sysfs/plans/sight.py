"""What a snapshot shows of one tenant's memory: on which nodes it is, and in huge pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from damon_tuner.kernel_iface.sysfs.observe.cgroup import cgroup_mount, group_folder
from damon_tuner.kernel_iface.sysfs.observe.placement import (
    group_by_node,
    group_huge_bytes,
    processes_by_node,
    processes_huge_bytes,
)
from damon_tuner.kernel_iface.sysfs.tree import Tree

# Of the time, what walking a tenant's page tables may take at most: one part in so many.
_REST_PER_WALK = 100

_T = TypeVar("_T")


class TenantSight:
    """Reads a control group at every look, and walks through processes only now and then."""

    def __init__(self, tree: Tree, group: str | None) -> None:
        self._tree = tree
        self._group = group
        self._slow: _Sparing[int] = _Sparing(tree)
        self._huge: _Sparing[int] = _Sparing(tree)

    def slow_bytes(self, pids: Sequence[int], slower: Sequence[int]) -> int:
        """Return what is resident on the nodes that are named; raises as ``Tree``."""
        folder = self._folder()
        of_group = None if folder is None else group_by_node(self._tree, folder)
        if of_group is not None:
            return sum(of_group.get(node, 0) for node in slower)

        def walk() -> int:
            found = processes_by_node(self._tree, pids)
            return sum(found.get(node, 0) for node in slower)

        return self._slow.look(walk)

    def huge_bytes(self, pids: Sequence[int]) -> int:
        """Return what is in huge pages; raises as ``Tree``."""
        folder = self._folder()
        of_group = None if folder is None else group_huge_bytes(self._tree, folder)
        if of_group is not None:
            return of_group
        return self._huge.look(lambda: processes_huge_bytes(self._tree, pids))

    def _folder(self) -> str | None:
        mount = None if self._group is None else cgroup_mount(self._tree)
        return None if mount is None else group_folder(mount, self._group or "")


class _Sparing(Generic[_T]):
    """Remembers what took long to look at, a hundred times as long."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._seen: tuple[_T, int] | None = None

    def look(self, read: Callable[[], _T]) -> _T:
        began_us = self._tree.kernel.now_us()
        if self._seen is None or began_us >= self._seen[1]:
            found = read()
            ended_us = self._tree.kernel.now_us()
            self._seen = found, ended_us + _REST_PER_WALK * (ended_us - began_us)
        return self._seen[0]
