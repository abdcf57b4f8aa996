"""Several monitoring contexts on one host, each with its own intervals."""

from __future__ import annotations

import math
from array import array

import pytest

from damon_tuner.kernel_iface.host import (
    Action,
    Intervals,
    IntervalsGoal,
    MonitoringAttrs,
    Operations,
    Scheme,
)
from damon_tuner.kernel_iface.sim import SimContext
from damon_tuner.policies.schema import RECLAIM

from .helpers import FOOTPRINT_BYTES, MAPPING_START, Bench, cold_spec, page_out, steady_spec


def attrs(sample_us: int, samples: int = 20, goal: IntervalsGoal | None = None) -> MonitoringAttrs:
    return MonitoringAttrs(
        Intervals(sample_us, samples * sample_us), 10, 100, goal or IntervalsGoal()
    )


def mean_share(bench: Bench, context: int, seconds: float = 60.0) -> float:
    """Mean share of the samples of the mapping that found an access."""
    total, nr = 0.0, 0
    while nr < 100:
        bench.step(seconds / 100)
        seen = bench.batch.snapshot(0, context)
        regions = [
            r for r in seen["regions"] if MAPPING_START <= r[0] < MAPPING_START + FOOTPRINT_BYTES
        ]
        samples = seen["aggr_us"] // seen["sample_us"]
        size = sum(r[1] - r[0] for r in regions)
        total += sum((r[1] - r[0]) * r[2] for r in regions) / size / samples
        nr += 1
    return total / nr


def test_each_context_samples_at_its_own_interval() -> None:
    bench = Bench(steady_spec(1.0, 60.0, 0.0))
    intervals_us = (1_000, 5_000, 20_000)
    bench.batch.set_contexts(
        0, [SimContext(attrs=attrs(us, 40), targets=(0,)) for us in intervals_us]
    )
    for index, us in enumerate(intervals_us):
        expected = -math.expm1(-60.0 * us * 1e-6)
        assert mean_share(bench, index) == pytest.approx(expected, abs=0.03)


def test_tuned_intervals_change_what_a_sample_sees() -> None:
    goal = IntervalsGoal(access_bp=9_000, aggrs=3, min_sample_us=5_000, max_sample_us=80_000)
    bench = Bench(steady_spec(1.0, 20.0, 0.0))
    bench.batch.set_contexts(0, [SimContext(attrs=attrs(5_000, 20, goal), targets=(0,))])
    before = -math.expm1(-20.0 * 0.005)
    bench.step(120.0)
    tuned_us = bench.batch.snapshot(0)["sample_us"]
    assert tuned_us > 20_000
    bench.batch.set_schemes(0, [])
    after = mean_share(bench, 0, 300.0)
    assert after > 3 * before


def test_contexts_have_schemes_of_their_own() -> None:
    bench = Bench(cold_spec({"swap_ratio": 8.0}))
    bench.batch.set_contexts(
        0,
        [
            SimContext(attrs=attrs(5_000), targets=(0,)),
            SimContext(Operations.PADDR, attrs(50_000), nodes=(0,)),
        ],
    )
    bench.batch.set_schemes(0, [page_out()], 0)
    bench.batch.set_schemes(0, [Scheme(Action.STAT)], 1)
    assert bench.step(0.5)["pages_out"] > 0
    assert bench.batch.snapshot(0, 0)["scheme_stats"][0][3] > 0
    assert bench.batch.snapshot(0, 1)["scheme_stats"] == ((0,) * 8,)


def test_another_context_does_not_change_what_one_sees_but_costs_time() -> None:
    spec = steady_spec(0.3, 20.0, 0.1, {"check_us": 0.3})
    one, two = Bench(spec), Bench(spec)
    one.batch.set_contexts(0, [SimContext(attrs=attrs(5_000), targets=(0,))])
    two.batch.set_contexts(0, [SimContext(attrs=attrs(us), targets=(0,)) for us in (5_000, 7_001)])
    a, b = one.step(10.0), two.step(10.0)
    assert b["interference_us"] > 1.3 * a["interference_us"]
    seen, beside = mean_share(one, 0), mean_share(two, 0)
    assert seen == pytest.approx(beside, rel=0.1)


def test_actions_need_the_contexts_of_a_reset() -> None:
    bench = Bench(cold_spec())
    bench.batch.set_contexts(0, [SimContext(Operations.PADDR, nodes=(0,))])
    with pytest.raises(RuntimeError):
        bench.batch.step(array("f", bytes(4 * RECLAIM.nr_knobs)), 1000)


def test_observations_need_the_contexts_of_a_reset() -> None:
    batch = Bench(cold_spec()).batch
    out = array("f", bytes(4 * RECLAIM.nr_features))
    batch.step(None, 1_000, out)
    batch.set_contexts(0, (SimContext(Operations.PADDR, nodes=(0,)),))
    with pytest.raises(RuntimeError, match="contexts of a reset"):
        batch.step(None, 1_000, out)
    batch.step(None, 1_000)


def test_one_target_twice_and_all_targets_in_one() -> None:
    bench = Bench(cold_spec())
    bench.batch.set_contexts(0, [SimContext(attrs=attrs(5_000), targets=(0, 0))])
    bench.step(1.0)
    assert bench.batch.broken_invariant(0) is None
