"""Random hosts, loads, contexts, schemes and power settings: nothing crashes and all holds."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from random import Random

import pytest

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    U32_MAX,
    U64_MAX,
    AccessPattern,
    Action,
    Dest,
    Filter,
    FilterType,
    GoalMetric,
    GoalTuner,
    Intervals,
    IntervalsGoal,
    MonitoringAttrs,
    Operations,
    Probe,
    ProbeFilter,
    ProbeFilterType,
    Quota,
    QuotaGoal,
    Scheme,
    WatermarkMetric,
    Watermarks,
)
from damon_tuner.kernel_iface.sim import SimContext

from .helpers import MAPPING_START, MIB

NR_TENANTS = 2
# What is counted since reset; lost time may shrink where huge pages win some.
COUNTERS = tuple(name for name in _core.TRUTH_NAMES if "lost" not in name and "cost" not in name)


def some(rng: Random, most: int, make: Callable[[Random], object]) -> tuple[object, ...]:
    """Up to ``most``, mostly few."""
    return tuple(make(rng) for _ in range(min(rng.choice((0, 0, 0, 1, 1, 2, most)), most)))


def ordered(rng: Random, most: int, usual: int) -> tuple[int, int]:
    """A range: all, closed at 0, or anything."""
    kind = rng.random()
    if kind < 0.5:
        return 0, most
    if kind < 0.7:
        return 0, 0
    low, high = sorted((rng.randint(0, usual), rng.choice((rng.randint(0, usual), most))))
    return low, high


def memcg(rng: Random) -> str:
    return rng.choice(("", "/tenant0", "/tenant1", "/tenant7"))


def goal(rng: Random, metrics: Sequence[GoalMetric]) -> QuotaGoal:
    target = rng.choice((1, 50, 5_000, 9_999, 10**6, U64_MAX))
    current = rng.choice((0, 4_000, U64_MAX))
    return QuotaGoal(rng.choice(metrics), target, current, rng.choice((-1, 0, 1, 2)), memcg(rng))


def quota(rng: Random, metrics: Sequence[GoalMetric]) -> Quota:
    if rng.random() < 0.3:
        return Quota()
    sz_bytes = rng.choice((0, 4096, MIB, 5 * MIB, U64_MAX))
    return Quota(
        time_ms=rng.choice((0, 0, 1, 10, U64_MAX)),
        sz_bytes=sz_bytes,
        reset_interval_ms=rng.choice((0, 100, 1000, U64_MAX)),
        weight_sz_permille=rng.choice((0, 1000)),
        weight_nr_accesses_permille=rng.choice((0, 1, 1000, U32_MAX)),
        weight_age_permille=rng.choice((0, 1, 1000, U32_MAX)),
        fail_charge_num=rng.choice((0, 1)),
        # a small quota that failures do not use up is filled page by page, as in the kernel
        fail_charge_denom=0 if sz_bytes == 4096 else rng.choice((0, 0, 3, 4096)),
        goal_tuner=rng.choice(tuple(GoalTuner)),
        goals=some(rng, 4, lambda r: goal(r, metrics)),  # type: ignore[arg-type]
    )


def page_filter(rng: Random) -> Filter:
    low, high = sorted((rng.choice((0, 4096, 2 * MIB)), rng.choice((0, 4096, 2 * MIB, U64_MAX))))
    start = MAPPING_START + rng.randint(0, 8 * MIB)
    return Filter(
        rng.choice(tuple(FilterType)),
        matching=rng.random() < 0.5,
        allow=rng.random() < 0.5,
        memcg_path=memcg(rng),
        addr_start=start,
        addr_end=start + rng.randint(0, 8 * MIB),
        min_bytes=low,
        max_bytes=high,
        target=rng.randint(0, 2),
    )


def watermarks(rng: Random) -> Watermarks:
    if rng.random() < 0.7:
        return Watermarks()
    low, mid, high = sorted(rng.randint(0, 1000) for _ in range(3))
    interval_us = rng.choice((200, 7_777, 10**6))
    return Watermarks(WatermarkMetric.FREE_MEM_RATE, interval_us, high, mid, low)


def scheme(rng: Random, metrics: Sequence[GoalMetric]) -> Scheme:
    pattern = AccessPattern(
        *ordered(rng, U64_MAX, 16 * MIB), *ordered(rng, U32_MAX, 20), *ordered(rng, U32_MAX, 10)
    )
    return Scheme(
        rng.choice(tuple(Action)),
        pattern,
        quota(rng, metrics),
        watermarks(rng),
        apply_interval_us=rng.choice((0, 0, 5_000, 7_777, 250_000, U64_MAX)),
        filters=some(rng, 8, page_filter),  # type: ignore[arg-type]
        target_nid=rng.choice((-1, 0, 0, 1, 1, 2)),
        dests=some(rng, 4, lambda r: Dest(r.choice((0, 1, 2)), r.choice((0, 1, 7, U32_MAX)))),  # type: ignore[arg-type]
        max_nr_snapshots=rng.choice((0, 0, 0, 1, 3)),
    )


def ranges(
    rng: Random, params: Sequence[tuple[str, float, float, float, float, bool]]
) -> dict[str, tuple[float, float]]:
    """Each parameter as it usually is, or at one of its extremes."""
    drawn = {}
    for name, low, high, least, most, _ in params:
        kind = rng.random()
        if kind < 0.15:
            drawn[name] = rng.choice(((least, least), (most, most), (least, most)))
        elif kind < 0.3:
            drawn[name] = rng.choice(((low, low), (high, high)))
    return drawn


def host_profile(rng: Random) -> dict[str, tuple[float, float]]:
    profile = ranges(rng, _core.PROFILE)
    for name, values in {
        "memory_ratio": (0.05, 0.3, 0.7, 0.95, 1.0, 1.05, 2.0),
        "slow_ratio": (0.0, 0.1, 1.0),
        "thp_mode": (0, 1, 2),
        "numa_demotion": (0, 1),
        "clock_cap": (0.5, 1.0),
        "memory_block_mib": (4.0,),
        "energy_price": (0.0, 0.1),
    }.items():
        if rng.random() < 0.5:
            value = float(rng.choice(values))
            profile[name] = (value, value)
    return profile


def tenant(rng: Random, profile: dict[str, tuple[float, float]]) -> _core.Spec:
    family = rng.choice(sorted(_core.FAMILIES))
    workload = ranges(rng, _core.FAMILIES[family])
    size = rng.choice((16, 20.3, 40, 64)) * MIB
    workload["footprint_bytes"] = (size, size)
    return _core.Spec(family, workload, profile)


def probe(rng: Random) -> Probe:
    filters = some(
        rng,
        4,
        lambda r: ProbeFilter(
            r.choice(tuple(ProbeFilterType)), r.random() < 0.5, r.random() < 0.5, memcg(r)
        ),
    )
    return Probe(filters, rng.choice((0, 0, 1, 9)))  # type: ignore[arg-type]


def context(rng: Random, may_be_paddr: bool) -> SimContext:
    sample_us = rng.choice((1_000, 5_000, 7_001, 50_000))
    samples = rng.choice((1, 5, 20, 40, 100))
    few = rng.choice((3, 10))
    intervals_goal = IntervalsGoal()
    if rng.random() < 0.3:
        intervals_goal = IntervalsGoal(rng.choice((0, 400, 10_000)), 2, sample_us, 10 * sample_us)
    paddr = may_be_paddr and rng.random() < 0.5
    attrs = MonitoringAttrs(
        Intervals(sample_us, samples * sample_us),
        few,
        rng.choice((few, 30, 60)),
        intervals_goal,
        some(rng, 4, probe) if paddr else (),  # type: ignore[arg-type]
    )
    if paddr:
        return SimContext(Operations.PADDR, attrs, nodes=rng.choice(((0,), (0, 1))))
    return SimContext(attrs=attrs, targets=rng.choice(((0,), (1,), (0, 1), (1, 0))))


class Case:
    """One host, drawn from a number."""

    def __init__(self, number: int) -> None:
        self.rng = Random(number)
        profile = host_profile(self.rng)
        self.batch = _core.Batch(1, 1, max_nr_regions=50, nr_tenants=NR_TENANTS)
        specs = tuple(tenant(self.rng, profile) for _ in range(NR_TENANTS))
        self.batch.reset(0, specs, number, 0.05)
        self.nr_contexts = NR_TENANTS
        self.set_contexts()

    def set_contexts(self) -> None:
        if self.rng.random() < 0.3:
            return
        drawn = self.batch.parameters(0)
        # a thousand times more memory than is used takes its time to walk
        small = drawn["memory_ratio"] + drawn["slow_ratio"] < 1_000
        contexts = [context(self.rng, small) for _ in range(self.rng.choice((1, 1, 2, 3)))]
        self.batch.set_contexts(0, contexts)
        self.nr_contexts = len(contexts)

    def set_schemes(self) -> None:
        for index in range(self.nr_contexts):
            metrics = tuple(GoalMetric)
            schemes = [scheme(self.rng, metrics) for _ in range(self.rng.choice((0, 1, 1, 3)))]
            self.batch.set_schemes(0, schemes, index)

    def step(self) -> list[dict[str, float]]:
        """The truth of some time, of each tenant."""
        truth = array("d", bytes(8 * len(_core.TRUTH_NAMES) * NR_TENANTS))
        self.batch.step(None, self.rng.choice((1, 99_999, 300_000, 1_300_000)), None, truth)
        names = _core.TRUTH_NAMES
        return [
            dict(zip(names, truth[t * len(names) : (t + 1) * len(names)], strict=True))
            for t in range(NR_TENANTS)
        ]

    def set_power(self) -> None:
        if self.rng.random() < 0.3:
            cap = self.rng.choice((0.1, 0.6, 1.0))
            self.batch.set_power(0, self.rng.choice((0, 1, 4, U32_MAX)), cap)


def check(case: Case, rows: list[dict[str, float]]) -> None:
    assert case.batch.broken_invariant(0) is None
    for row in rows:
        assert all(math.isfinite(value) for value in row.values()), row
        negative = {name: row[name] for name in COUNTERS if row[name] < 0}
        assert all(value > -1.0 for value in negative.values()), negative
    for index in range(case.nr_contexts):
        seen = case.batch.snapshot(0, index)
        assert seen["memory_free_bytes"] <= seen["memory_total_bytes"]
        assert seen["swap_free_bytes"] <= seen["swap_total_bytes"]


def run(number: int) -> None:
    case = Case(number)
    for _ in range(3):
        case.set_schemes()
        case.set_power()
        check(case, case.step())


@pytest.mark.parametrize("first", range(0, 500, 100))
def test_anything_goes(first: int) -> None:
    for number in range(first, first + 100):
        try:
            run(number)
        except Exception as error:
            raise AssertionError(f"case {number}") from error


@pytest.mark.slow
@pytest.mark.parametrize("first", range(500, 10_000, 500))
def test_anything_goes_many_times(first: int) -> None:
    for number in range(first, first + 500):
        try:
            run(number)
        except Exception as error:
            raise AssertionError(f"case {number}") from error
