"""Why the kernel may have refused: it answers with a number, and never says which value it meant.

Each rule is one of the kernel's own checks; it answers ``ENOMEM`` to a wrong scheme and
``EINVAL`` to the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from damon_tuner.kernel_iface.host import (
    Context,
    Filter,
    FilterType,
    GoalMetric,
    KdamondSpec,
    MonitoringAttrs,
    Operations,
    ProbeFilterType,
    Scheme,
    Target,
)
from damon_tuner.kernel_iface.sysfs.observe.physical import PAGE_SIZE
from damon_tuner.kernel_iface.sysfs.tree import Tree

_CGROUPS = "sys/fs/cgroup"
_MEMCG_METRICS = frozenset({GoalMetric.NODE_MEMCG_USED_BP, GoalMetric.NODE_MEMCG_FREE_BP})
_NO_CGROUP = "there is no such cgroup (paths begin with / at the cgroup root)"
_LEAST_REGIONS = 3
_MOST_PROBE_SAMPLES = 255


def broken_rules(tree: Tree, spec: KdamondSpec) -> tuple[str, ...]:
    """Return what the kernel cannot accept in ``spec``, each as the file's value and the reason.

    Looks processes and cgroups up; raises what ``Tree`` raises.
    """
    context = spec.context
    found = [*_attrs(context.attrs), *_probes(tree, context.attrs), *_targets(tree, context)]
    for index, scheme in enumerate(spec.schemes):
        found += [f"schemes/{index}/{text}" for text in _scheme(tree, scheme, context)]
    return tuple(found)


def _attrs(attrs: MonitoringAttrs) -> Iterator[str]:
    times, goal = attrs.intervals, attrs.intervals_goal
    if times.sample_us > times.aggr_us:
        yield f"sample_us={times.sample_us} is more than aggr_us={times.aggr_us}"
    if attrs.min_nr_regions < _LEAST_REGIONS:
        yield f"nr_regions/min={attrs.min_nr_regions} is less than {_LEAST_REGIONS}"
    if attrs.min_nr_regions > attrs.max_nr_regions:
        yield (
            f"nr_regions/min={attrs.min_nr_regions} is more than "
            f"nr_regions/max={attrs.max_nr_regions}"
        )
    if goal.aggrs and not goal.min_sample_us <= times.sample_us <= goal.max_sample_us:
        yield (
            f"sample_us={times.sample_us} is not within intervals_goal, "
            f"{goal.min_sample_us} to {goal.max_sample_us}"
        )


def _probes(tree: Tree, attrs: MonitoringAttrs) -> Iterator[str]:
    times = attrs.intervals
    samples = times.aggr_us // max(times.sample_us, 1)
    if any(probe.weight for probe in attrs.probes) and samples > _MOST_PROBE_SAMPLES:
        yield (
            f"aggr_us={times.aggr_us} is more than {_MOST_PROBE_SAMPLES} times "
            f"sample_us={times.sample_us}, which is too much for probes with weights"
        )
    for number, probe in enumerate(attrs.probes):
        for order, rule in enumerate(probe.filters):
            if rule.type is ProbeFilterType.MEMCG and _no_cgroup(tree, rule.memcg_path):
                path = f"probes/{number}/filters/{order}/path"
                yield f"{path}={rule.memcg_path}: {_NO_CGROUP}"


def _targets(tree: Tree, context: Context) -> Iterator[str]:
    is_paddr = context.operations is Operations.PADDR
    if is_paddr and len(context.targets) > 1:
        yield f"nr_targets={len(context.targets)} is more than 1, which is all that paddr takes"
    if not context.addr_unit:
        yield "addr_unit=0: use 1"
        return
    unit_bytes = max(PAGE_SIZE // context.addr_unit, 1) if is_paddr else PAGE_SIZE
    if unit_bytes & (unit_bytes - 1):
        yield f"addr_unit={context.addr_unit} is not a power of two"
    for index, target in enumerate(context.targets):
        if not is_paddr and not (target.pid and tree.exists(f"proc/{target.pid}")):
            yield f"targets/{index}/pid_target={target.pid or 0}: there is no such process"
        for text in _ranges(target, unit_bytes):
            yield f"targets/{index}/regions/{text}"


def _ranges(target: Target, unit_bytes: int) -> Iterator[str]:
    for number, (start, end) in enumerate(target.ranges):
        if start // unit_bytes >= -(-end // unit_bytes):
            yield f"{number}: start={start} is not before end={end}"
    for number, ((_, end), (start, _)) in enumerate(pairwise(target.ranges), 1):
        if end > start:
            yield f"{number}/start={start} is before the end={end} of the one before"


def _scheme(tree: Tree, scheme: Scheme, context: Context) -> Iterator[str]:
    for index, item in enumerate(scheme.filters):
        for text in _filter(tree, item):
            yield f"filters: {item.type} (number {index}) {text}"
    for index, goal in enumerate(scheme.quota.goals):
        where = f"quotas/goals/{index}"
        if goal.metric in _MEMCG_METRICS and _no_cgroup(tree, goal.memcg_path):
            yield f"{where}/path={goal.memcg_path}: {_NO_CGROUP}"
        needs_paddr = goal.metric is GoalMetric.NODE_ELIGIBLE_MEM_BP
        if needs_paddr and goal.target_value and context.operations is not Operations.PADDR:
            yield f"{where}/target_metric={goal.metric} needs operations=paddr"


def _filter(tree: Tree, item: Filter) -> Iterator[str]:
    if item.type is FilterType.MEMCG and _no_cgroup(tree, item.memcg_path):
        yield f"memcg_path={item.memcg_path}: {_NO_CGROUP}"
    if item.type is FilterType.ADDR and item.addr_end < item.addr_start:
        yield f"addr_end={item.addr_end} is before addr_start={item.addr_start}"
    if item.type is FilterType.HUGEPAGE_SIZE and item.min_bytes > item.max_bytes:
        yield f"min={item.min_bytes} is more than max={item.max_bytes}"


def _no_cgroup(tree: Tree, path: str) -> bool:
    """Tell whether DAMON will not find a cgroup; where cgroup v2 is not mounted, nobody knows."""
    if not path.startswith("/"):
        return True
    return tree.exists(_CGROUPS) and not tree.exists(f"{_CGROUPS}{path.rstrip('/')}")
