"""Which file of DAMON's holds which field of the Host interface's values."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from damon_tuner.kernel_iface.host import (
    Context,
    Dest,
    Filter,
    FilterType,
    KdamondSpec,
    Operations,
    Probe,
    ProbeFilter,
    QuotaGoal,
    Region,
    Scheme,
    SchemeStats,
    Target,
)
from damon_tuner.kernel_iface.sysfs.codec import Files, Listing, Read, Record, decode, encode
from damon_tuner.kernel_iface.sysfs.features import Features, missing

CORE_FILTER_TYPES = frozenset({FilterType.ADDR, FilterType.TARGET})
"""What DAMON's core looks at itself, before its operations set looks at the rest."""


class _Range(NamedTuple):
    start: int
    end: int


_RANGE = Record(_Range, {"start": "start", "end": "end"})

TARGET = Record(
    Target,
    {"pid_target": "pid", "obsolete_target": "is_obsolete"},
    (Listing("regions/nr_regions", "ranges", _RANGE),),
)

_PROBE_FILTER = Record(
    ProbeFilter,
    {"type": "type", "matching": "matching", "allow": "allow", "path": "memcg_path"},
)

_PROBE = Record(
    Probe, {"weight": "weight"}, (Listing("filters/nr_filters", "filters", _PROBE_FILTER),)
)

_INTERVALS_GOAL = "monitoring_attrs/intervals/intervals_goal"

CONTEXT = Record(
    Context,
    {
        "operations": "operations",
        "addr_unit": "addr_unit",
        "pause": "is_paused",
        "monitoring_attrs/intervals/sample_us": "attrs.intervals.sample_us",
        "monitoring_attrs/intervals/aggr_us": "attrs.intervals.aggr_us",
        "monitoring_attrs/intervals/update_us": "attrs.intervals.update_us",
        f"{_INTERVALS_GOAL}/access_bp": "attrs.intervals_goal.access_bp",
        f"{_INTERVALS_GOAL}/aggrs": "attrs.intervals_goal.aggrs",
        f"{_INTERVALS_GOAL}/min_sample_us": "attrs.intervals_goal.min_sample_us",
        f"{_INTERVALS_GOAL}/max_sample_us": "attrs.intervals_goal.max_sample_us",
        "monitoring_attrs/nr_regions/min": "attrs.min_nr_regions",
        "monitoring_attrs/nr_regions/max": "attrs.max_nr_regions",
    },
    (
        Listing("monitoring_attrs/probes/nr_probes", "attrs.probes", _PROBE),
        Listing("targets/nr_targets", "targets", TARGET),
    ),
)

_FILTER = Record(
    Filter,
    {
        "type": "type",
        "matching": "matching",
        "allow": "allow",
        "memcg_path": "memcg_path",
        "addr_start": "addr_start",
        "addr_end": "addr_end",
        "min": "min_bytes",
        "max": "max_bytes",
        "damon_target_idx": "target",
    },
)

_GOAL = Record(
    QuotaGoal,
    {
        "target_metric": "metric",
        "target_value": "target_value",
        "current_value": "current_value",
        "nid": "nid",
        "path": "memcg_path",
    },
)

_DEST = Record(Dest, {"id": "nid", "weight": "weight"})


def _is_core(item: Filter) -> bool:
    return item.type in CORE_FILTER_TYPES


# The kernel builds its lists in this order, whatever the folders are called.
_FILTER_FOLDERS = (
    Listing("core_filters/nr_filters", "filters", _FILTER, _is_core),
    Listing("ops_filters/nr_filters", "filters", _FILTER, lambda item: not _is_core(item)),
    Listing("filters/nr_filters", "filters", _FILTER, lambda item: False),
)
_ONE_FILTER_FOLDER = (Listing("filters/nr_filters", "filters", _FILTER),)

_SCHEME_LEAVES = {
    "action": "action",
    "target_nid": "target_nid",
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
    "quotas/goal_tuner": "quota.goal_tuner",
    "quotas/fail_charge_num": "quota.fail_charge_num",
    "quotas/fail_charge_denom": "quota.fail_charge_denom",
    "quotas/weights/sz_permil": "quota.weight_sz_permille",
    "quotas/weights/nr_accesses_permil": "quota.weight_nr_accesses_permille",
    "quotas/weights/age_permil": "quota.weight_age_permille",
    "watermarks/metric": "watermarks.metric",
    "watermarks/interval_us": "watermarks.interval_us",
    "watermarks/high": "watermarks.high_permille",
    "watermarks/mid": "watermarks.mid_permille",
    "watermarks/low": "watermarks.low_permille",
    "stats/max_nr_snapshots": "max_nr_snapshots",
}

_SCHEME_LISTINGS = (
    Listing("quotas/goals/nr_goals", "quota.goals", _GOAL),
    Listing("dests/nr_dests", "dests", _DEST),
)

SCHEME = Record(Scheme, _SCHEME_LEAVES, (*_SCHEME_LISTINGS, *_FILTER_FOLDERS))
_OLDER = Record(Scheme, _SCHEME_LEAVES, (*_SCHEME_LISTINGS, *_ONE_FILTER_FOLDER))

STATS = Record(
    SchemeStats,
    {
        "stats/nr_tried": "nr_tried",
        "stats/sz_tried": "sz_tried_bytes",
        "stats/nr_applied": "nr_applied",
        "stats/sz_applied": "sz_applied_bytes",
        "stats/qt_exceeds": "qt_exceeds",
        "stats/sz_ops_filter_passed": "sz_ops_filter_passed_bytes",
        "stats/nr_snapshots": "nr_snapshots",
        "quotas/effective_bytes": "effective_quota_bytes",
    },
)

REGION = Record(
    Region, {"start": "start", "end": "end", "nr_accesses": "nr_accesses", "age": "age"}
)

CONTEXT_DIRECTORY = "contexts/0"
"""The only context that the kernel accepts of a kdamond."""


def kdamond_files(spec: KdamondSpec, features: Features) -> Files:
    """Return all files of a kdamond, relative to its directory, as this kernel has them.

    Raises:
        DamonMissingError: names what is asked for and missing, and the kernel that has it.
    """
    files = {"refresh_ms": str(spec.refresh_ms), "contexts/nr_contexts": "1"}
    adapted = replace(spec, schemes=tuple(_adapted(s, features) for s in spec.schemes))
    parts = encode(CONTEXT, spec.context) | encode(_schemes(features), adapted)
    files |= {f"{CONTEXT_DIRECTORY}/{path}": text for path, text in parts.items()}
    return {path: text for path, text in files.items() if _exists(path, text, features)}


def kdamond_spec(read: Read) -> KdamondSpec:
    """Return what the files of a kdamond hold; one without a context reads as the default.

    Raises:
        TunerError: a file holds what this release does not know, or could not be read.
    """

    def read_context(path: str) -> str | None:
        return read(f"{CONTEXT_DIRECTORY}/{path}")

    if read("contexts/nr_contexts") != "1":
        return KdamondSpec()
    is_paddr = read_context("operations") == Operations.PADDR

    def read_target(path: str) -> str | None:
        # The kernel keeps a process that it does not look at with paddr.
        ignored = is_paddr and path.endswith("/pid_target")
        return "0" if ignored else read_context(path)

    context: Context = decode(CONTEXT, read_target)
    spec: KdamondSpec = decode(_schemes(Features()), read_context)
    return replace(spec, context=context, refresh_ms=int(read("refresh_ms") or 0))


def _schemes(features: Features) -> Record:
    record = SCHEME if features.has(f"{CONTEXT_DIRECTORY}/schemes/0/core_filters") else _OLDER
    return Record(KdamondSpec, {}, (Listing("schemes/nr_schemes", "schemes", record),))


def _adapted(scheme: Scheme, features: Features) -> Scheme:
    """Say the same in the words of an older kernel, where it has some."""
    one_dest = len(scheme.dests) == 1 and scheme.dests[0].weight > 0
    if one_dest and not features.has(f"{CONTEXT_DIRECTORY}/schemes/0/dests"):
        return replace(scheme, target_nid=scheme.dests[0].nid, dests=())
    return scheme


def _exists(path: str, text: str, features: Features) -> bool:
    absent = features.lacking(path)
    if absent is not None and text != absent.default:
        raise missing(absent)
    return absent is None
