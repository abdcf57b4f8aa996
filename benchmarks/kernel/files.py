"""Every file of DAMON's sysfs that can be written: given another word, and read back.

One of every folder is made, so that every kind of file is there, filters in each of their
folders. The tests of the real kernel use the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from damon_tuner.benchmarks.kernel.owned import owned_damon
from damon_tuner.errors import KernelRejectedError
from damon_tuner.kernel_iface.host import (
    Action,
    Context,
    Dest,
    Filter,
    FilterType,
    GoalMetric,
    KdamondSpec,
    MonitoringAttrs,
    Operations,
    Probe,
    ProbeFilter,
    ProbeFilterType,
    Quota,
    QuotaGoal,
    Scheme,
)
from damon_tuner.kernel_iface.sysfs import mapping
from damon_tuner.kernel_iface.sysfs.features import Features
from damon_tuner.kernel_iface.sysfs.kdamond import directory_of
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.occupants import NR_KDAMONDS
from damon_tuner.kernel_iface.sysfs.staging import COUNTERS, Staging
from damon_tuner.kernel_iface.sysfs.tree import Tree

Outcome = Literal["taken", "refused", "wrong"]
"""``wrong`` is a file that holds another word than it was given, or the same as before."""

_STATE = "state"
_WHOLE = ((1 << 20, 64 << 20),)

# One of every directory there is.
_EVERYTHING = KdamondSpec(
    Context(
        Operations.PADDR,
        MonitoringAttrs(probes=(Probe((ProbeFilter(ProbeFilterType.ANON),)),)),
        ranges=_WHOLE,
    ),
    (
        Scheme(
            Action.STAT,
            quota=Quota(goals=(QuotaGoal(GoalMetric.USER_INPUT, 1),)),
            filters=(Filter(FilterType.ADDR), Filter(FilterType.ANON)),
            dests=(Dest(),),
        ),
    ),
)

# The folder of older kernels, with a filter of its own.
_OLD_FILTERS = "contexts/0/schemes/0/filters"

# What to write, by the end of the path; every other file takes a number.
_WORDS = {
    "/operations": "fvaddr",
    "/action": "pageout",
    "/probes/0/filters/0/type": "memcg",
    "/core_filters/0/type": "target",
    "/ops_filters/0/type": "young",
    "/filters/0/type": "target",
    "/filters/1/type": "target",
    "/matching": "Y",
    "/allow": "Y",
    "/pause": "Y",
    "/obsolete_target": "Y",
    "path": "/a/b c",
    "/watermarks/metric": "free_mem_rate",
    "/target_metric": "node_mem_free_bp",
    "/goal_tuner": "temporal",
    "/addr_unit": "8",
}
_NUMBER = "7"


def measure() -> dict[str, object]:
    """Write every file that can be written, and say which did not give the word back."""
    tree = Tree(LocalKernel())
    with owned_damon(tree) as damon:
        damon.start([KdamondSpec(Context(pid=os.getpid()))])
        taken = {_STATE} if tree.read(f"{directory_of(0)}/{_STATE}") == "on" else set()
    with owned_damon(tree, {NR_KDAMONDS: "1"}):
        known = made(tree)
        there = writable_files()
        taken |= {path for path, outcome in written(tree, known) if outcome == "taken"}
        counts = tree.read(NR_KDAMONDS) == "1"
    failed = sorted(there - taken) + ([] if counts else [NR_KDAMONDS])
    nr_files = len(there) + 1
    return {"files": nr_files, "written": nr_files - len(failed), "failed": failed}


def made(tree: Tree) -> set[str]:
    """Make one of everything below the one kdamond; return the files that a model of it has.

    Paths are below the kdamond; what this kernel lacks is left out.
    """
    features = Features.probed(tree, directory_of(0))
    files = mapping.kdamond_files(_as_this_kernel_has_it(features), features)
    Staging(tree, directory_of(0)).stage(files)
    known = set(files)
    if f"{_OLD_FILTERS}/0/type" not in known:
        tree.write(f"{directory_of(0)}/{_OLD_FILTERS}/nr_filters", "1")
        prefix = "contexts/0/schemes/0/ops_filters/0/"
        names = [path.removeprefix(prefix) for path in known if path.startswith(prefix)]
        known |= {f"{_OLD_FILTERS}/0/{name}" for name in names}
    return known


def written(tree: Tree, paths: set[str]) -> Iterator[tuple[str, Outcome]]:
    """Write each of these files of the kdamond, read it back, and tell what came of it."""
    for path in sorted(paths, key=_counters_last):
        yield path, _outcome(tree, f"{directory_of(0)}/{path}", word_for(path))


def _outcome(tree: Tree, path: str, word: str) -> Outcome:
    before = tree.read(path)
    try:
        tree.write(path, word)
    except KernelRejectedError:
        return "refused"
    return "taken" if tree.read(path) == word != before else "wrong"


def word_for(path: str) -> str:
    """What a file of the kdamond is to take; none of them holds it from the beginning."""
    name = path.rpartition("/")[2]
    if name in COUNTERS:
        return "0" if name == "nr_contexts" else "3"
    return next((word for end, word in _WORDS.items() if path.endswith(end)), _NUMBER)


def files_there() -> set[str]:
    """Every file of the one kdamond."""
    return {str(path.relative_to(_folder())) for path in _folder().rglob("*") if path.is_file()}


def writable_files() -> set[str]:
    """Those that can be written, as their modes say."""
    return {path for path in files_there() if (_folder() / path).stat().st_mode & 0o200}


def _folder() -> Path:
    return Path("/", directory_of(0))


def _counters_last(path: str) -> tuple[bool, int]:
    """A counter's write empties the folders beside it: the deepest go first."""
    return path.rpartition("/")[2] in COUNTERS, -path.count("/")


def _as_this_kernel_has_it(features: Features) -> KdamondSpec:
    """One of everything, without what an older kernel lacks."""
    spec, has = _EVERYTHING, features.has
    scheme, context = spec.schemes[0], spec.context
    if not has("contexts/0/monitoring_attrs/probes"):
        context = replace(context, attrs=replace(context.attrs, probes=()))
    if not has("contexts/0/schemes/0/dests"):
        scheme = replace(scheme, dests=())
    return replace(spec, context=context, schemes=(scheme,))
