"""Which file below a DAMON directory holds which field of the Host interface's values."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from damon_tuner.errors import KernelRejectedError
from damon_tuner.kernel_iface.host import (
    Context,
    GoalTuner,
    IntervalsGoal,
    Region,
    Scheme,
    SchemeStats,
)

Files = dict[str, str]
"""Texts by path, relative to the directory they belong to."""

# Below contexts/<C>, from a Context.
CONTEXT_FILES = {
    "operations": "operations",
    "monitoring_attrs/intervals/sample_us": "attrs.intervals.sample_us",
    "monitoring_attrs/intervals/aggr_us": "attrs.intervals.aggr_us",
    "monitoring_attrs/intervals/update_us": "attrs.intervals.update_us",
    "monitoring_attrs/nr_regions/min": "attrs.min_nr_regions",
    "monitoring_attrs/nr_regions/max": "attrs.max_nr_regions",
}

# Below schemes/<S>, from a Scheme.
SCHEME_FILES = {
    "action": "action",
    "apply_interval_us": "apply_interval_us",
    "access_pattern/sz/min": "pattern.min_sz_bytes",
    "access_pattern/sz/max": "pattern.max_sz_bytes",
    "access_pattern/nr_accesses/min": "pattern.min_nr_accesses",
    "access_pattern/nr_accesses/max": "pattern.max_nr_accesses",
    "access_pattern/age/min": "pattern.min_age",
    "access_pattern/age/max": "pattern.max_age",
    "quotas/ms": "quota.time_ms",
    "quotas/bytes": "quota.sz_bytes",
    "quotas/reset_interval_ms": "quota.reset_interval_ms",
    "quotas/weights/sz_permil": "quota.weight_sz_permille",
    "quotas/weights/nr_accesses_permil": "quota.weight_nr_accesses_permille",
    "quotas/weights/age_permil": "quota.weight_age_permille",
    "watermarks/metric": "watermarks.metric",
    "watermarks/interval_us": "watermarks.interval_us",
    "watermarks/high": "watermarks.high_permille",
    "watermarks/mid": "watermarks.mid_permille",
    "watermarks/low": "watermarks.low_permille",
}

# Below schemes/<S>, to a SchemeStats.
STATS_FILES = {
    "stats/nr_tried": "nr_tried",
    "stats/sz_tried": "sz_tried_bytes",
    "stats/nr_applied": "nr_applied",
    "stats/sz_applied": "sz_applied_bytes",
    "stats/qt_exceeds": "qt_exceeds",
    "quotas/effective_bytes": "effective_quota_bytes",
}

# Below tried_regions/<R>, to a Region.
REGION_FILES = {"start": "start", "end": "end", "nr_accesses": "nr_accesses", "age": "age"}

# Files that this room cannot do without, below schemes/<S>, and the kernel that brought them.
NEEDED_SCHEME_FILES = {
    "stats/nr_tried": "5.18",
    "tried_regions": "6.2",
    "apply_interval_us": "6.7",
    "quotas/effective_bytes": "6.9",
}


# What this room does not write yet, and the kernel's default, which it leaves in force.
_UNSTAGED_CONTEXT: dict[str, Any] = {"attrs.intervals_goal": IntervalsGoal(), "attrs.probes": ()}
_UNSTAGED_SCHEME: dict[str, Any] = {
    "quota.goals": (),
    "quota.goal_tuner": GoalTuner.CONSIST,
    "quota.fail_charge_num": 0,
    "quota.fail_charge_denom": 0,
    "filters": (),
    "target_nid": -1,
    "dests": (),
    "max_nr_snapshots": 0,
}


def _require_defaults(table: dict[str, Any], value: Any) -> None:
    for field, default in table.items():
        if attrgetter(field)(value) != default:
            raise KernelRejectedError(
                f"{field} cannot be set on a real host yet: leave it at {default!r}"
            )


def context_files(context: Context) -> Files:
    """Return the files of a context, without those of its target.

    Raises:
        KernelRejectedError: the context asks for something that is not written yet.
    """
    _require_defaults(_UNSTAGED_CONTEXT, context)
    return _files(CONTEXT_FILES, context)


def target_files(context: Context, ranges: tuple[tuple[int, int], ...]) -> Files:
    """Return the files of a context's only target, in an order in which they can be written."""
    if context.pid is not None:
        return {"pid_target": str(context.pid)}
    files = {"regions/nr_regions": str(len(ranges))}
    for index, (start, end) in enumerate(ranges):
        files[f"regions/{index}/start"] = str(start)
        files[f"regions/{index}/end"] = str(end)
    return files


def scheme_files(scheme: Scheme) -> Files:
    """Return the files of one scheme.

    Raises:
        KernelRejectedError: the scheme asks for something that is not written yet.
    """
    _require_defaults(_UNSTAGED_SCHEME, scheme)
    return _files(SCHEME_FILES, scheme)


def stats_from(files: Files) -> SchemeStats:
    """Return the statistics that ``STATS_FILES`` hold."""
    return SchemeStats(**{field: int(files[path]) for path, field in STATS_FILES.items()})


def region_from(files: Files) -> Region:
    """Return the region that ``REGION_FILES`` hold."""
    return Region(**{field: int(files[path]) for path, field in REGION_FILES.items()})


def _files(table: dict[str, str], value: Any) -> Files:
    return {path: str(attrgetter(field)(value)) for path, field in table.items()}
