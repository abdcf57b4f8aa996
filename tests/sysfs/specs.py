"""Every value of the model, drawn at random."""

from __future__ import annotations

from hypothesis import strategies as st

from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Dest,
    Filter,
    FilterType,
    GoalMetric,
    GoalTuner,
    Intervals,
    IntervalsGoal,
    KdamondSpec,
    MonitoringAttrs,
    Operations,
    Probe,
    ProbeFilter,
    ProbeFilterType,
    Quota,
    QuotaGoal,
    Scheme,
    Target,
    WatermarkMetric,
    Watermarks,
)

ULONG = st.integers(0, 2**64 - 1)
UINT = st.integers(0, 2**32 - 1)
INT = st.integers(-(2**31), 2**31 - 1)
NATURAL = st.integers(0, 2**31 - 1)
PATHS = st.sampled_from(["", "/", "/tenants", "/tenants/a b"])


def some(items: st.SearchStrategy, most: int = 3) -> st.SearchStrategy:
    return st.lists(items, max_size=most).map(tuple)


CORE_FILTERS = st.builds(
    Filter,
    st.sampled_from([FilterType.ADDR, FilterType.TARGET]),
    *[st.booleans()] * 2,
    PATHS,
    *[ULONG] * 4,
    NATURAL,
)
OPS_FILTERS = st.builds(
    Filter,
    st.sampled_from([kind for kind in FilterType if kind not in ("addr", "target")]),
    *[st.booleans()] * 2,
    PATHS,
    *[ULONG] * 4,
    NATURAL,
)
# The kernel puts the filters of regions first, whatever the order they are given in.
FILTERS = st.tuples(some(CORE_FILTERS), some(OPS_FILTERS)).map(lambda both: both[0] + both[1])

GOALS = st.builds(QuotaGoal, st.sampled_from(GoalMetric), ULONG, ULONG, INT, PATHS)

QUOTAS = st.builds(Quota, *[ULONG] * 3, *[UINT] * 5, st.sampled_from(GoalTuner), goals=some(GOALS))

SCHEMES = st.builds(
    Scheme,
    action=st.sampled_from(Action),
    pattern=st.builds(AccessPattern, *[ULONG] * 6),
    quota=QUOTAS,
    watermarks=st.builds(Watermarks, st.sampled_from(WatermarkMetric), *[ULONG] * 4),
    apply_interval_us=ULONG,
    filters=FILTERS,
    target_nid=INT,
    dests=some(st.builds(Dest, UINT, UINT)),
    max_nr_snapshots=ULONG,
)

PROBES = st.builds(
    Probe,
    some(st.builds(ProbeFilter, st.sampled_from(ProbeFilterType), *[st.booleans()] * 2, PATHS)),
    UINT,
)

ATTRS = st.builds(
    MonitoringAttrs,
    st.builds(Intervals, *[ULONG] * 3),
    ULONG,
    ULONG,
    st.builds(IntervalsGoal, *[ULONG] * 4),
    some(PROBES, 4),
)

RANGES = some(st.tuples(ULONG, ULONG))


def _contexts(operations: Operations) -> st.SearchStrategy:
    pids = st.none() if operations is Operations.PADDR else st.none() | st.integers(1, 2**31 - 1)
    return st.builds(
        Context,
        operations=st.just(operations),
        attrs=ATTRS,
        targets=some(st.builds(Target, pids, RANGES, st.booleans())),
        addr_unit=st.integers(1, 2**64 - 1),
        is_paused=st.booleans(),
    )


KDAMONDS = st.builds(
    KdamondSpec, st.sampled_from(Operations).flatmap(_contexts), some(SCHEMES), UINT
)
