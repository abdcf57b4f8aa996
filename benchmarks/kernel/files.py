"""Every DAMON file that can be written: given another word, and read back."""

from __future__ import annotations

import os

from damon_tuner.benchmarks.kernel.owned import owned_damon
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.host import Action, Context, KdamondSpec, Scheme
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.occupants import NR_KDAMONDS
from damon_tuner.kernel_iface.sysfs.staging import COUNTERS
from damon_tuner.kernel_iface.sysfs.tree import Tree

_KDAMONDS = NR_KDAMONDS.rpartition("/")[0]

# One of them is another word for every file: numbers, switches, and names of each kind.
_WORDS = (
    *("7", "2", "0", "Y", "fvaddr", "pageout", "memcg", "target", "addr", "young", "anon"),
    *("free_mem_rate", "node_mem_free_bp", "temporal"),
)


def measure() -> dict[str, object]:
    """Make one of every folder there is, write each file, and say which were not given back."""
    tree = Tree(LocalKernel())
    with owned_damon(tree) as damon:
        damon.start([KdamondSpec(Context(pid=os.getpid()), (Scheme(Action.STAT),))])
        switched = tree.read(f"{_KDAMONDS}/0/state") == "on"
    with owned_damon(tree, {NR_KDAMONDS: "1"}):
        _make_everything(tree)
        found = _writable(f"/{_KDAMONDS}")
        state = f"{_KDAMONDS}/0/state"
        # writing a number of folders empties them: the deepest last of all
        found.sort(key=lambda path: (_is_counter(path), -path.count("/")))
        taken = {NR_KDAMONDS: tree.read(NR_KDAMONDS) == "1", state: switched}
        failed = [path for path in found if not (taken.get(path) or _takes(tree, path))]
    return {"files": len(found), "written": len(found) - len(failed), "failed": failed}


def _make_everything(tree: Tree) -> None:
    made: set[str] = set()
    while counters := set(filter(_is_counter, _writable(f"/{_KDAMONDS}"))) - made:
        # the outer ones first: each makes the ones below it
        path = min(counters, key=lambda path: path.count("/"))
        if path != NR_KDAMONDS:
            tree.write(path, "1")
        made.add(path)


def _writable(folder: str) -> list[str]:
    found = []
    for directory, _, names in os.walk(folder):
        paths = (os.path.join(directory, name) for name in names)
        found += [path.lstrip("/") for path in paths if os.stat(path).st_mode & 0o200]
    return sorted(found)


def _is_counter(path: str) -> bool:
    return path == NR_KDAMONDS or path.rpartition("/")[2] in COUNTERS


def _takes(tree: Tree, path: str) -> bool:
    """Whether one of the words, other than what the file holds, is taken and given back."""
    before = tree.read(path)
    for word in _WORDS:
        if word == before:
            continue
        try:
            tree.write(path, word)
        except TunerError:
            continue
        if tree.read(path) == word:
            return True
    return False
