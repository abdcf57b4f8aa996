"""What DAMON's sysfs offers from one kernel to the next, and what is lost without it.

Paths are below ``kdamonds/<K>``, with ``*`` for a number. A file may come with its default: the
text that asks for nothing, for which the file is not needed.
"""

from __future__ import annotations

from dataclasses import dataclass

CONTEXT = "contexts/*"
SCHEME = f"{CONTEXT}/schemes/*"
ATTRS = f"{CONTEXT}/monitoring_attrs"
GOAL = f"{SCHEME}/quotas/goals/*"
FILTER = f"{SCHEME}/filters/*"
PROBE = f"{ATTRS}/probes/*"


@dataclass(frozen=True, slots=True)
class Feature:
    """One file or directory, or one word that a file takes, and the kernel that brought it.

    A word cannot be seen: ``sign`` is a file that came with it or after it. What ``is_needed``
    has no substitute at all.
    """

    path: str
    since: str
    lost: str
    word: str = ""
    sign: str = ""
    default: str | None = None
    fallback: str = ""
    is_needed: bool = False

    @property
    def name(self) -> str:
        """The file's path, and the word."""
        return f"{self.path} = {self.word}" if self.word else self.path


_CORE_FILTERS = f"{SCHEME}/core_filters"
_PAUSE = f"{CONTEXT}/pause"
_MAX_SNAPSHOTS = f"{SCHEME}/stats/max_nr_snapshots"
_TARGET_NID = f"{SCHEME}/target_nid"
_TOTAL_BYTES = f"{SCHEME}/tried_regions/total_bytes"
_METRIC = f"{GOAL}/target_metric"

FEATURES: tuple[Feature, ...] = (
    Feature(f"{SCHEME}/stats", "5.18", "what schemes do is not counted", is_needed=True),
    Feature(f"{SCHEME}/tried_regions", "6.2", "regions cannot be read", is_needed=True),
    Feature(f"{SCHEME}/filters", "6.3", "schemes apply to all that matches", default="0"),
    Feature(_TOTAL_BYTES, "6.6", "the size of what a scheme matches is summed over its regions"),
    Feature(f"{FILTER}/type", "6.6", "no schemes for some addresses", "addr", _TOTAL_BYTES),
    Feature(f"{FILTER}/type", "6.6", "no schemes for some targets", "target", _TOTAL_BYTES),
    Feature(
        f"{SCHEME}/apply_interval_us",
        "6.7",
        "schemes are applied once an aggregation only",
        is_needed=True,
    ),
    Feature(f"{SCHEME}/quotas/goals", "6.8", "quotas do not tune themselves", default="0"),
    Feature(
        f"{SCHEME}/quotas/effective_bytes", "6.9", "the quota in force is unknown", is_needed=True
    ),
    Feature(_METRIC, "6.9", "quotas follow a number that we write only", default="user_input"),
    Feature(f"{FILTER}/type", "6.10", "no schemes by the accessed bit", "young", _TARGET_NID),
    Feature(_TARGET_NID, "6.11", "no migration between memory tiers", default="-1"),
    Feature(f"{SCHEME}/action", "6.11", "no promotion", "migrate_hot", _TARGET_NID),
    Feature(f"{SCHEME}/action", "6.11", "no demotion", "migrate_cold", _TARGET_NID),
    Feature(
        f"{SCHEME}/stats/sz_ops_filter_passed",
        "6.14",
        "how much memory passes the filters of pages is unknown",
        fallback="counted as 0",
    ),
    Feature(
        f"{FILTER}/allow",
        "6.14",
        "filters can keep memory out only",
        default="N",
        fallback="filters that reject work as before",
    ),
    Feature(
        f"{ATTRS}/intervals/intervals_goal",
        "6.15",
        "monitoring intervals do not tune themselves",
        default="0",
    ),
    Feature(
        _CORE_FILTERS,
        "6.15",
        "filters of regions and of pages share a folder",
        default="0",
        fallback="the folder filters",
    ),
    Feature(
        f"{SCHEME}/ops_filters",
        "6.15",
        "filters of regions and of pages share a folder",
        default="0",
        fallback="the folder filters",
    ),
    Feature(f"{FILTER}/type", "6.15", "no schemes by page size", "hugepage_size", _CORE_FILTERS),
    Feature(f"{FILTER}/min", "6.15", "no schemes by page size", default="0"),
    Feature(f"{FILTER}/max", "6.15", "no schemes by page size", default="0"),
    Feature(f"{FILTER}/type", "6.15", "no schemes for unmapped pages", "unmapped", _CORE_FILTERS),
    Feature(f"{FILTER}/type", "6.15", "no schemes by LRU list", "active", _CORE_FILTERS),
    Feature(f"{GOAL}/nid", "6.16", "quotas cannot follow the use of a node", default="0"),
    Feature(_METRIC, "6.16", "no quotas by a node's use", "node_mem_used_bp", f"{GOAL}/nid"),
    Feature(_METRIC, "6.16", "no quotas by a node's use", "node_mem_free_bp", f"{GOAL}/nid"),
    Feature(
        f"{SCHEME}/dests",
        "6.17",
        "a migration cannot spread pages over nodes",
        default="0",
        fallback="a single destination goes to target_nid",
    ),
    Feature("refresh_ms", "6.17", "the kernel does not refresh statistics by itself", default="0"),
    Feature(f"{CONTEXT}/addr_unit", "6.18", "32-bit kernels see their first 4 GiB", default="1"),
    Feature(f"{GOAL}/path", "6.19", "quotas cannot follow a cgroup", default=""),
    Feature(_METRIC, "6.19", "no quotas by a cgroup's use", "node_memcg_used_bp", f"{GOAL}/path"),
    Feature(_METRIC, "6.19", "no quotas by a cgroup's use", "node_memcg_free_bp", f"{GOAL}/path"),
    Feature(
        f"{CONTEXT}/targets/*/obsolete_target",
        "6.19",
        "when a target goes, those after it lose what was learned of them",
        default="N",
        fallback="the targets are written anew",
    ),
    Feature(
        f"{SCHEME}/stats/nr_snapshots",
        "7.0",
        "how often a scheme was applied is unknown",
        fallback="counted as 0",
    ),
    Feature(_MAX_SNAPSHOTS, "7.0", "schemes do not stop by themselves", default="0"),
    Feature(_METRIC, "7.0", "no quotas by LRU lists", "active_mem_bp", _MAX_SNAPSHOTS),
    Feature(_METRIC, "7.0", "no quotas by LRU lists", "inactive_mem_bp", _MAX_SNAPSHOTS),
    Feature(
        f"{SCHEME}/quotas/goal_tuner",
        "7.1",
        "quotas follow their goals steadily only",
        default="consist",
    ),
    Feature(f"{SCHEME}/action", "7.2", "no schemes that collapse huge pages", "collapse", _PAUSE),
    Feature(_METRIC, "7.2", "no quotas by eligible memory", "node_eligible_mem_bp", _PAUSE),
    Feature(_PAUSE, "7.2", "monitoring cannot rest and keep its regions", default="N"),
    Feature(
        f"{SCHEME}/quotas/fail_charge_num", "7.2", "failures are charged in full", default="0"
    ),
    Feature(
        f"{SCHEME}/quotas/fail_charge_denom", "7.2", "failures are charged in full", default="0"
    ),
    Feature(f"{ATTRS}/probes", "7.2", "attributes of memory are not counted", default="0"),
    Feature(f"{PROBE}/weight", "7.3", "no monitoring by attributes alone", default="0"),
)
