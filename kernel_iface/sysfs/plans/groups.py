"""Which control groups hold a tenant's pages."""

from __future__ import annotations

from collections.abc import Iterator

from damon_tuner.kernel_iface.host import FilterType, Scheme
from damon_tuner.kernel_iface.sysfs.observe.cgroup import (
    CONTROLLERS,
    cgroup_mount,
    group_folder,
)
from damon_tuner.kernel_iface.sysfs.observe.table import number
from damon_tuner.kernel_iface.sysfs.tree import Tree

MOST_GROUPS = 16
"""How many groups of one tenant are told to DAMON: the largest."""

# How many are looked at, and how far below the tenant's own.
_MOST_SEEN = 256
_DEPTH = 4


def memory_groups(tree: Tree, path: str) -> tuple[str, ...]:
    """Return a group and those below it as DAMON names them; none where it is not there.

    Pages belong to the one group that they are charged to, and DAMON asks for just that.

    Raises:
        ValueError: ``path`` leads out of the control groups.
    """
    mount = cgroup_mount(tree)
    if mount is None:
        return ()
    top = group_folder(mount, path)
    sizes = dict(_sizes(tree, top))
    largest = sorted(sizes, key=lambda folder: (folder != top, -sizes[folder], folder))
    return tuple(
        folder.removeprefix(mount.path) or "/" for folder in sorted(largest[:MOST_GROUPS])
    )


def groups_are_there(tree: Tree, scheme: Scheme) -> bool:
    """Tell whether every control group that a scheme's filters name is there."""
    mount = cgroup_mount(tree)
    paths = (item.memcg_path for item in scheme.filters if item.type is FilterType.MEMCG)
    return mount is not None and all(tree.exists(group_folder(mount, path)) for path in paths)


def _sizes(tree: Tree, top: str) -> Iterator[tuple[str, int]]:
    folders = [(top, 0)]
    for _ in range(_MOST_SEEN):
        if not folders:
            return
        folder, depth = folders.pop()
        # The root has no size, and groups without the memory controller have no pages.
        size_bytes = number(tree, f"{folder}/memory.current")
        if size_bytes is not None or (folder == top and tree.exists(f"{folder}/cgroup.procs")):
            yield folder, size_bytes or 0
            if depth < _DEPTH:
                folders += [(f"{folder}/{name}", depth + 1) for name in _below(tree, folder)]


def _below(tree: Tree, folder: str) -> Iterator[str]:
    for name in tree.names(folder):
        # The kernel's own files are called after their controllers, which costs a look each.
        if name.partition(".")[0] in CONTROLLERS:
            continue
        if tree.exists(f"{folder}/{name}/cgroup.procs"):
            yield name
