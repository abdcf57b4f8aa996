"""The files below each directory that a write to ``nr_*`` makes, with Linux 7.3's defaults."""

from __future__ import annotations

import re

_FILTER = {
    "type": "anon",
    "matching": "N",
    "allow": "N",
    "memcg_path": "",
    "addr_start": "0",
    "addr_end": "0",
    "min": "0",
    "max": "0",
    "damon_target_idx": "0",
}

SCHEME = {
    "action": "stat",
    "apply_interval_us": "0",
    "target_nid": "-1",
    "access_pattern/sz/min": "0",
    "access_pattern/sz/max": "0",
    "access_pattern/nr_accesses/min": "0",
    "access_pattern/nr_accesses/max": "0",
    "access_pattern/age/min": "0",
    "access_pattern/age/max": "0",
    "quotas/ms": "0",
    "quotas/bytes": "0",
    "quotas/reset_interval_ms": "0",
    "quotas/effective_bytes": "0",
    "quotas/goal_tuner": "consist",
    "quotas/fail_charge_num": "0",
    "quotas/fail_charge_denom": "0",
    "quotas/weights/sz_permil": "0",
    "quotas/weights/nr_accesses_permil": "0",
    "quotas/weights/age_permil": "0",
    "quotas/goals/nr_goals": "0",
    "watermarks/metric": "none",
    "watermarks/interval_us": "0",
    "watermarks/high": "0",
    "watermarks/mid": "0",
    "watermarks/low": "0",
    "filters/nr_filters": "0",
    "core_filters/nr_filters": "0",
    "ops_filters/nr_filters": "0",
    "dests/nr_dests": "0",
    "stats/nr_tried": "0",
    "stats/sz_tried": "0",
    "stats/nr_applied": "0",
    "stats/sz_applied": "0",
    "stats/sz_ops_filter_passed": "0",
    "stats/qt_exceeds": "0",
    "stats/nr_snapshots": "0",
    "stats/max_nr_snapshots": "0",
    "tried_regions/total_bytes": "0",
}

CONTEXT = {
    "avail_operations": "vaddr\nfvaddr\npaddr",
    "operations": "vaddr",
    "addr_unit": "1",
    "pause": "N",
    "monitoring_attrs/intervals/sample_us": "5000",
    "monitoring_attrs/intervals/aggr_us": "100000",
    "monitoring_attrs/intervals/update_us": "60000000",
    "monitoring_attrs/intervals/intervals_goal/access_bp": "0",
    "monitoring_attrs/intervals/intervals_goal/aggrs": "0",
    "monitoring_attrs/intervals/intervals_goal/min_sample_us": "0",
    "monitoring_attrs/intervals/intervals_goal/max_sample_us": "0",
    "monitoring_attrs/nr_regions/min": "10",
    "monitoring_attrs/nr_regions/max": "1000",
    "monitoring_attrs/probes/nr_probes": "0",
    "targets/nr_targets": "0",
    "schemes/nr_schemes": "0",
}

# By the directory that holds the counter and the counter itself: a filter is not a filter.
CHILDREN = {
    "kdamonds/nr_kdamonds": {
        "state": "off",
        "pid": "-1",
        "refresh_ms": "0",
        "contexts/nr_contexts": "0",
    },
    "contexts/nr_contexts": CONTEXT,
    "targets/nr_targets": {
        "pid_target": "0",
        "obsolete_target": "N",
        "regions/nr_regions": "0",
    },
    "regions/nr_regions": {"start": "0", "end": "0"},
    "probes/nr_probes": {"weight": "0", "filters/nr_filters": "0"},
    "schemes/nr_schemes": SCHEME,
    "goals/nr_goals": {
        "target_metric": "user_input",
        "target_value": "0",
        "current_value": "0",
        "nid": "0",
        "path": "",
    },
    "dests/nr_dests": {"id": "0", "weight": "0"},
    "filters/nr_filters": _FILTER,
    "core_filters/nr_filters": _FILTER,
    "ops_filters/nr_filters": _FILTER,
}

PROBE_FILTER = {"type": "anon", "matching": "N", "allow": "N", "path": ""}

# What each kernel brought, for older ones to lack.
SINCE = {
    (6, 14): r"stats/sz_ops_filter_passed|filters/\d+/allow",
    (6, 15): r"/intervals_goal/|/(core|ops)_filters/|schemes/.*filters/\d+/(min|max)$",
    (6, 16): r"goals/\d+/nid",
    (6, 17): r"/dests/|/refresh_ms",
    (6, 18): r"/addr_unit",
    (6, 19): r"goals/\d+/path|/obsolete_target",
    (7, 0): r"/(max_)?nr_snapshots",
    (7, 1): r"/goal_tuner",
    (7, 2): r"/probes/|/pause|/fail_charge_",
    (7, 3): r"probes/\d+/weight",
}

_SCHEME_FILTERS = {"anon", "active", "memcg", "young", "hugepage_size", "unmapped"}
_REGION_FILTERS = {"addr", "target"}

# Words by the end of the path; the first that fits counts.
WORDS = (
    (r"/operations$", {"vaddr", "fvaddr", "paddr"}),
    (r"/watermarks/metric$", {"none", "free_mem_rate"}),
    (r"/goal_tuner$", {"consist", "temporal"}),
    (r"/probes/.*/type$", {"anon", "memcg"}),
    (r"/core_filters/\d+/type$", _REGION_FILTERS),
    (r"/ops_filters/\d+/type$", _SCHEME_FILTERS),
    (r"/filters/\d+/type$", _SCHEME_FILTERS | _REGION_FILTERS),
    (
        r"/action$",
        {
            *("willneed", "cold", "pageout", "hugepage", "nohugepage", "collapse"),
            *("lru_prio", "lru_deprio", "migrate_hot", "migrate_cold", "stat"),
        },
    ),
    (
        r"/target_metric$",
        {
            *("user_input", "some_mem_psi_us", "node_mem_used_bp", "node_mem_free_bp"),
            *("node_memcg_used_bp", "node_memcg_free_bp", "active_mem_bp", "inactive_mem_bp"),
            "node_eligible_mem_bp",
        },
    ),
)

# Words that came later than the file that takes them.
WORDS_SINCE = {
    **dict.fromkeys(("hugepage_size", "unmapped", "active"), (6, 15)),
    **dict.fromkeys(("node_mem_used_bp", "node_mem_free_bp"), (6, 16)),
    **dict.fromkeys(("node_memcg_used_bp", "node_memcg_free_bp"), (6, 19)),
    **dict.fromkeys(("active_mem_bp", "inactive_mem_bp"), (7, 0)),
    **dict.fromkeys(("collapse", "node_eligible_mem_bp"), (7, 2)),
}

BOOLEANS = {"pause", "obsolete_target", "matching", "allow"}

TEXTS = {"path", "memcg_path"}

_INT, _UINT, _ULONG = (-(2**31), 2**31), (0, 2**32), (0, 2**64)

NUMBERS = {
    **dict.fromkeys(("target_nid", "nid", "pid_target", "damon_target_idx"), _INT),
    **dict.fromkeys(("refresh_ms", "weight", "id"), _UINT),
    **dict.fromkeys(("fail_charge_num", "fail_charge_denom"), _UINT),
    **dict.fromkeys(("sz_permil", "nr_accesses_permil", "age_permil"), _UINT),
    "nr_contexts": (0, 2),
    "nr_probes": (0, 5),
    "addr_unit": (1, 2**64),
}
"""The least value and the one beyond the largest; every other number is an unsigned long."""

READ_ONLY = {
    *("pid", "avail_operations", "effective_bytes", "total_bytes"),
    *("nr_tried", "sz_tried", "nr_applied", "sz_applied", "qt_exceeds"),
    *("sz_ops_filter_passed", "nr_snapshots"),
}


def limits(name: str) -> tuple[int, int]:
    """The least value that a file takes and the one beyond the largest."""
    is_count = name.startswith("nr_") and not name.endswith("_permil")
    return NUMBERS.get(name, (0, 2**31) if is_count else _ULONG)


def children_of(path: str, version: tuple[int, int]) -> dict[str, str] | None:
    """What a write to ``path`` makes in each numbered directory, if it is a counter."""
    directory, name = path.split("/")[-2:]
    made = CHILDREN.get(f"{directory}/{name}")
    if made is not None and directory == "filters" and "/probes/" in path:
        made = PROBE_FILTER
    if made is None:
        return None
    parent = path.rpartition("/")[0]
    return {name: text for name, text in made.items() if exists(f"{parent}/0/{name}", version)}


def exists(path: str, version: tuple[int, int]) -> bool:
    """Whether a kernel of ``version`` has this file."""
    return all(version >= since or not re.search(lost, path) for since, lost in SINCE.items())


def words_of(path: str, version: tuple[int, int]) -> set[str] | None:
    """The words that a file takes, if it takes words."""
    for end, words in WORDS:
        if re.search(end, path):
            return {word for word in words if version >= WORDS_SINCE.get(word, (0, 0))}
    return None
