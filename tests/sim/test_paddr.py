"""DAMON by physical address: what is where, what is seen of it, and what actions find."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    Action,
    Dest,
    Filter,
    FilterType,
    MonitoringAttrs,
    Operations,
    Probe,
    ProbeFilter,
    ProbeFilterType,
    Scheme,
)
from damon_tuner.kernel_iface.sim import SimContext

from .helpers import FOOTPRINT_BYTES, MIB, Bench, cold_spec, fixed_spec, steady_spec

PADDR_START = 4 << 30
HOST = {"memory_ratio": 2.0, "low_wmark_permille": 5.0, "swap_ratio": 8.0, "pool_share": 0.0}
NODES = {**HOST, "slow_ratio": 1.0}
ATTRS = MonitoringAttrs(max_nr_regions=200)


def by_paddr(
    spec: _core.Spec,
    schemes: Sequence[Scheme] = (),
    attrs: MonitoringAttrs = ATTRS,
    nodes: tuple[int, ...] = (0, 1),
) -> Bench:
    bench = Bench(spec)
    bench.batch.set_contexts(0, [SimContext(Operations.PADDR, attrs, nodes=nodes)])
    bench.batch.set_schemes(0, schemes)
    return bench


def seen(bench: Bench, start: int, end: int) -> float:
    """Mean nr_accesses of the bytes between two physical addresses."""
    total = 0.0
    for _ in range(60):
        bench.step(0.2)
        for low, high, nr, _age in bench.batch.snapshot(0)["regions"]:
            total += nr * max(min(high, end) - max(low, start), 0)
    return total / (60 * (end - start))


def test_unused_memory_is_monitored_and_looks_cold() -> None:
    bench = by_paddr(steady_spec(1.0, 30.0, 0.0, HOST))
    regions = bench.batch.snapshot(0)["regions"]
    assert sum(r[1] - r[0] for r in regions) == 2 * FOOTPRINT_BYTES
    bench.step(2.0)
    middle, end = PADDR_START + FOOTPRINT_BYTES, PADDR_START + 2 * FOOTPRINT_BYTES
    expected = 20 * -math.expm1(-30.0 * 0.005)
    assert seen(bench, PADDR_START, middle) == pytest.approx(expected, abs=0.6)
    assert seen(bench, middle + 16 * MIB, end) < 0.1


def test_a_migrated_block_is_found_on_the_other_node() -> None:
    bench = by_paddr(steady_spec(1.0, 30.0, 0.0, NODES), [Scheme(Action.STAT)])
    border = PADDR_START + 2 * FOOTPRINT_BYTES
    bench.step(2.0)
    assert seen(bench, border, border + FOOTPRINT_BYTES) == 0
    bench.batch.set_schemes(0, [Scheme(Action.MIGRATE_COLD, target_nid=1)])
    bench.step(1.0)
    bench.batch.set_schemes(0, [])
    bench.step(2.0)
    sizes = bench.batch.machine(0)["used_bytes"]
    assert sizes["slow"] == pytest.approx(FOOTPRINT_BYTES, rel=0.01)
    assert seen(bench, border, border + FOOTPRINT_BYTES) > 1.5
    assert seen(bench, PADDR_START, border) < 0.1


def test_only_what_lies_on_a_monitored_node_is_acted_on() -> None:
    bench = by_paddr(cold_spec(NODES), [Scheme(Action.MIGRATE_COLD, target_nid=1)], nodes=(1,))
    bench.step(1.0)
    assert bench.batch.machine(0)["used_bytes"]["slow"] == 0


def test_page_out_first_only_clears_what_is_young() -> None:
    bench = by_paddr(cold_spec(HOST), [Scheme(Action.PAGEOUT)])
    bench.step(0.1)
    assert bench.batch.machine(0)["used_bytes"]["swap"] == 0
    bench.step(0.2)
    assert bench.batch.machine(0)["used_bytes"]["swap"] > 0.9 * FOOTPRINT_BYTES


def test_page_out_leaves_what_was_accessed_since() -> None:
    bench = by_paddr(steady_spec(0.5, 50.0, 0.0, HOST), [Scheme(Action.PAGEOUT)])
    bench.step(1.0)
    out = bench.batch.machine(0)["used_bytes"]["swap"]
    assert out == pytest.approx(FOOTPRINT_BYTES / 2, rel=0.05)


def test_a_filter_for_young_pages_takes_the_place_of_the_implicit_one() -> None:
    allow = Filter(FilterType.YOUNG, matching=True, allow=True)
    bench = by_paddr(cold_spec(HOST), [Scheme(Action.PAGEOUT, filters=(allow,))])
    bench.step(0.1)
    assert bench.batch.machine(0)["used_bytes"]["swap"] > 0.9 * FOOTPRINT_BYTES


def test_weighted_destinations_are_not_for_physical_addresses() -> None:
    scheme = Scheme(Action.MIGRATE_HOT, target_nid=-1, dests=(Dest(0, 1), Dest(1, 1)))
    bench = by_paddr(cold_spec(NODES), [scheme])
    assert bench.step(1.0)["pages_demoted"] == 0


@pytest.mark.parametrize(
    "action",
    [Action.WILLNEED, Action.COLD, Action.HUGEPAGE, Action.NOHUGEPAGE, Action.COLLAPSE],
)
def test_actions_that_paddr_lacks_do_nothing(action: Action) -> None:
    bench = by_paddr(cold_spec(HOST), [Scheme(action)])
    truth = bench.step(1.0)
    assert truth["huge_byte_s"] == truth["pages_out"] == 0
    assert bench.batch.snapshot(0)["scheme_stats"][0][3] == 0


def test_list_actions_cost_and_count_what_is_there() -> None:
    for action in (Action.LRU_PRIO, Action.LRU_DEPRIO):
        bench = by_paddr(cold_spec({**HOST, "page_walk_us": 1.0, "check_us": 0.0}))
        bench.batch.set_schemes(0, [Scheme(action)])
        assert bench.step(0.1001)["interference_us"] > 0
        applied = bench.batch.snapshot(0)["scheme_stats"][0][3]
        assert applied == pytest.approx(FOOTPRINT_BYTES, rel=1e-6)


@pytest.mark.parametrize("sampler", ["binomial", "per-check"])
def test_probes_hit_by_the_true_shares(sampler: str) -> None:
    spec = fixed_spec("ml_epochs", {"weights_share": 0.1, "optimizer_share": 0.15}, HOST)
    batch = _core.Batch(1, sampler=sampler)  # type: ignore[arg-type]
    batch.reset(0, spec, 1, 1.0)
    anon = ProbeFilter(ProbeFilterType.ANON, matching=True, allow=True)
    attrs = MonitoringAttrs(max_nr_regions=200, probes=(Probe((anon,), weight=1),))
    batch.set_contexts(0, [SimContext(Operations.PADDR, attrs, nodes=(0,))])
    batch.step(None, 3_000_000)
    assert all(nr == 0 for _, _, nr, _ in batch.snapshot(0)["regions"])
    anon_bytes = 0.25 * FOOTPRINT_BYTES
    borders = [r[0] - PADDR_START for r in batch.snapshot(0)["regions"]]
    # attributes alone tell the regions apart
    assert min(abs(border - anon_bytes) for border in borders) < 0.06 * FOOTPRINT_BYTES


def test_contexts_that_make_no_sense_are_refused() -> None:
    bench = Bench(cold_spec(HOST))
    for context in (
        SimContext(Operations.PADDR, targets=(0,), nodes=(0,)),
        SimContext(Operations.PADDR),
        SimContext(Operations.PADDR, nodes=(1,)),
        SimContext(nodes=(0,), targets=(0,)),
        SimContext(targets=(1,)),
    ):
        with pytest.raises(ValueError):
            bench.batch.set_contexts(0, [context])
    huge = Bench(fixed_spec("idle", {"footprint_bytes": 2.0**46}, {**HOST, "memory_ratio": 1e6}))
    with pytest.raises(ValueError, match="memory_ratio"):
        huge.batch.set_contexts(0, [SimContext(Operations.PADDR, nodes=(0,))])


def test_far_more_memory_than_is_used() -> None:
    bench = by_paddr(steady_spec(1.0, 30.0, 0.0, {**HOST, "memory_ratio": 1e4}), nodes=(0,))
    bench.step(0.5)
    assert bench.batch.broken_invariant(0) is None
