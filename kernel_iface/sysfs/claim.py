"""Which kdamonds are ours: DAMON's files have no owner, and anybody may replace them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from damon_tuner.kernel_iface.sysfs.observe.table import whole
from damon_tuner.kernel_iface.sysfs.occupants import ADMIN, NR_KDAMONDS
from damon_tuner.kernel_iface.sysfs.records import Claim, start_ticks
from damon_tuner.kernel_iface.sysfs.tree import Tree, settled

_KDAMONDS = f"{ADMIN}/kdamonds"
_STATE = re.compile(rf"{re.escape(_KDAMONDS)}/\d+/state")

# What a context is told to monitor, below contexts/0: nothing that the kernel tunes by itself.
_FRAME_FILES = ("operations", "monitoring_attrs/nr_regions/min", "monitoring_attrs/nr_regions/max")


_NO_PID = "-1"

ANY_FRAME = ""
"""The frame of kdamonds that are about to be told what to monitor."""


def is_kdamond_state(path: str) -> bool:
    """Tell whether a path is the file that switches a kdamond on."""
    return _STATE.fullmatch(path) is not None


def is_damon(path: str) -> bool:
    """Tell whether a path is one of DAMON's own files, which a claim covers."""
    return path.startswith(f"{ADMIN}/")


def claim(tree: Tree) -> Claim:
    """Claim every kdamond as it is now; raises what ``Tree`` raises."""
    return settled(lambda: _claim(tree), "DAMON's kdamonds")


def taken_over(tree: Tree, ours: Claim, kdamond: int | None = None) -> str | None:
    """Say how the kdamonds differ from those that were claimed; None when they are ours.

    A worker that runs is ours by its thread. Where none of ours runs (it ended with the process
    it watched, or was never seen to run), what they are told to monitor decides. To give them up
    takes two looks. Where only one ``kdamond`` is asked for, only its worker is looked at.
    """
    asked = range(len(ours.threads)) if kdamond is None else (kdamond,)
    return _difference(tree, ours, asked) and _difference(tree, ours, asked)


def _claim(tree: Tree) -> Claim:
    count = _count(tree)
    return Claim(tuple(_thread(tree, index) for index in range(count)), _frame(tree, count))


def _difference(tree: Tree, ours: Claim, asked: Iterable[int]) -> str | None:
    count = _count(tree)
    if count != len(ours.threads):
        return f"there are {count} kdamonds now, and were {len(ours.threads)}"
    known = False
    for index in asked:
        thread, running = ours.threads[index], _thread(tree, index)
        if running is None:
            continue
        if thread is not None and running != thread:
            return f"kdamond {index} was restarted (pid {running[0]} now, {thread[0]} before)"
        known |= thread is not None
    if not known and ours.frame not in (ANY_FRAME, _frame(tree, count)):
        return "the kdamonds were set up anew"
    return None


def _count(tree: Tree) -> int:
    return whole(tree.read(NR_KDAMONDS), NR_KDAMONDS)


def _thread(tree: Tree, index: int) -> tuple[int, int] | None:
    path = f"{_KDAMONDS}/{index}/pid"
    text = tree.read(path)
    if text == _NO_PID:
        return None
    pid = whole(text, path)
    return pid, start_ticks(tree, pid) or 0


def _frame(tree: Tree, count: int) -> str:
    digest = hashlib.sha256()
    for index in range(count):
        context = f"{_KDAMONDS}/{index}/contexts/0"
        for path in (*(f"{context}/{name}" for name in _FRAME_FILES), *_targets(tree, context)):
            digest.update(f"{path}={tree.read_if_present(path)}\n".encode())
    return digest.hexdigest()[:16]


def _targets(tree: Tree, context: str) -> list[str]:
    paths = []
    for target in _numbers(tree, f"{context}/targets"):
        directory = f"{context}/targets/{target}"
        paths.append(f"{directory}/pid_target")
        for region in _numbers(tree, f"{directory}/regions"):
            paths += [f"{directory}/regions/{region}/{edge}" for edge in ("start", "end")]
    return paths


def _numbers(tree: Tree, directory: str) -> list[str]:
    return [name for name in tree.names(directory) if name.isdecimal()]
