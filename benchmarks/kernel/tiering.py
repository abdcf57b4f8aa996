"""Promotion and demotion between two tiers: where the pages of a known hot set are.

A process fills the fast node with memory that it never touches again, and then the slow node
with memory that it reads all the time. Two kdamonds put that right: one demotes what is cold on
the fast node, to keep a part of it free, the other promotes what is hot on the slow node.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from damon_tuner.benchmarks.kernel.load import Load, Part, running
from damon_tuner.benchmarks.kernel.numa import share_on
from damon_tuner.benchmarks.kernel.owned import owned_damon
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    GoalMetric,
    GoalTuner,
    Intervals,
    KdamondSpec,
    MonitoringAttrs,
    Operations,
    Quota,
    QuotaGoal,
    Scheme,
)
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.observe.nodes import nodes
from damon_tuner.kernel_iface.sysfs.observe.physical import node_ranges
from damon_tuner.kernel_iface.sysfs.tree import Tree

FAST, SLOW = 0, 1
LIMIT_S = 60.0
WANTED_SHARE = 0.9
_AFTER_S = 10.0

_MIB = 1 << 20
_HOT_BYTES = 192 * _MIB
_LEFT_FREE_BYTES = 64 * _MIB
# The kernel's own balancing brings pages to the CPU that reads them: what it does is not ours.
_ALONE = {"proc/sys/kernel/numa_balancing": "0"}
_LOAD_CPU, _OUR_CPU = 1, 0


@dataclass(frozen=True, slots=True)
class Setting:
    """What of the two kdamonds is tried."""

    sample_us: int = 5_000
    aggr_us: int = 100_000
    max_nr_regions: int = 1_000
    hot_samples: int = 1
    """A region is promoted from this many samples on."""
    cold_age: int = 20
    """A region is demoted after this many aggregations without an access."""
    used_bp: int = 9_700
    free_bp: int = 500
    quota_bytes: int = 200 * _MIB
    reset_ms: int = 1_000
    tuner: str = "temporal"


def kdamonds(tree: Tree, setting: Setting) -> tuple[KdamondSpec, KdamondSpec]:
    """The demoting kdamond of the fast node and the promoting one of the slow node."""
    intervals = Intervals(setting.sample_us, setting.aggr_us)
    attrs = MonitoringAttrs(intervals, max_nr_regions=setting.max_nr_regions)
    free = QuotaGoal(GoalMetric.NODE_MEM_FREE_BP, setting.free_bp, nid=FAST)
    used = QuotaGoal(GoalMetric.NODE_MEM_USED_BP, setting.used_bp, nid=FAST)
    demote = Scheme(
        Action.MIGRATE_COLD,
        AccessPattern(max_nr_accesses=0, min_age=setting.cold_age),
        _quota(setting, free),
        target_nid=SLOW,
    )
    promote = Scheme(
        Action.MIGRATE_HOT,
        AccessPattern(min_nr_accesses=setting.hot_samples),
        _quota(setting, used),
        target_nid=FAST,
    )
    return _kdamond(tree, FAST, attrs, demote), _kdamond(tree, SLOW, attrs, promote)


def _quota(setting: Setting, goal: QuotaGoal) -> Quota:
    return Quota(
        sz_bytes=setting.quota_bytes * setting.reset_ms // 1_000,
        reset_interval_ms=setting.reset_ms,
        weight_nr_accesses_permille=500,
        weight_age_permille=500,
        goal_tuner=GoalTuner(setting.tuner),
        goals=(goal,),
    )


def _kdamond(tree: Tree, node: int, attrs: MonitoringAttrs, scheme: Scheme) -> KdamondSpec:
    return KdamondSpec(Context(Operations.PADDR, attrs, ranges=node_ranges(tree, node)), (scheme,))


def measure(setting: Setting | None = None) -> dict[str, object]:
    """Put a hot set on the slow node, tier, and say where it is meanwhile.

    Ends at the time limit, or some seconds after the share that is wanted has been reached.
    """
    setting = setting or Setting()
    tree = Tree(LocalKernel())
    os.sched_setaffinity(0, {_OUR_CPU})
    fast = next(node for node in nodes(tree) if node.number == FAST)
    cold_bytes = (fast.free_bytes - _LEFT_FREE_BYTES) // (2 * _MIB) * 2 * _MIB
    parts = (Part(cold_bytes, node=FAST), Part(_HOT_BYTES, hot=True, node=SLOW))
    with running(parts, _LOAD_CPU) as load:
        before = fast_share(load)
        with owned_damon(tree, _ALONE) as damon:
            damon.start(kdamonds(tree, setting))
            shares = list(_watched(load))
            stats = [damon.stats(number)[0] for number in range(2)]
        return {
            "before": before,
            "shares": [(round(at_s, 1), round(share, 4)) for at_s, share in shares],
            "fast_share": shares[-1][1],
            "reached_s": next(
                (round(at, 1) for at, share in shares if share >= WANTED_SHARE), None
            ),
            "hot_bytes": _HOT_BYTES,
            "cold_bytes": cold_bytes,
            "demoted_bytes": stats[0].sz_applied_bytes,
            "promoted_bytes": stats[1].sz_applied_bytes,
        }


def fast_share(load: Load) -> float:
    """Which share of the load's reads the fast node serves: it reads all hot pages alike."""
    ranges = load.ranges(hot=True)
    on_fast = sum(share_on(FAST, load.pid, start, size) * size for start, size in ranges)
    return on_fast / sum(size for _, size in ranges)


def _watched(load: Load) -> Iterator[tuple[float, float]]:
    began, until_s, reached = time.monotonic(), LIMIT_S, False
    while (at_s := time.monotonic() - began) < until_s:
        time.sleep(min(1.0, until_s - at_s))
        share = fast_share(load)
        at_s = time.monotonic() - began
        yield at_s, share
        if share >= WANTED_SHARE and not reached:
            reached, until_s = True, min(LIMIT_S, at_s + _AFTER_S)
