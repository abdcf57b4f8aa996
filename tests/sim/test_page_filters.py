"""Filters that look at pages, and the stat action that shows what they let through."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from damon_tuner import _core
from damon_tuner.kernel_iface.host import Action, Dest, Filter, FilterType, Operations, Scheme
from damon_tuner.kernel_iface.sim import SimContext

from .helpers import FOOTPRINT_BYTES, MIB, Bench, cold_spec, fixed_spec, steady_spec

HOST = {"memory_ratio": 2.0, "low_wmark_permille": 5.0, "slow_ratio": 1.0}
THP = {**HOST, "thp_mode": 2.0}
# a quarter of it is anonymous
ML = fixed_spec("ml_epochs", {"weights_share": 0.1, "optimizer_share": 0.15}, HOST)
# where sz_ops_filter_passed_bytes is in the statistics of a scheme
FILTER_PASSED = 6


def passed(spec: _core.Spec, filters: Sequence[Filter], paddr: bool) -> float:
    """Share of the footprint that a stat scheme's filters let through in one pass."""
    bench = Bench(spec)
    if paddr:
        bench.batch.set_contexts(0, [SimContext(Operations.PADDR, nodes=(0, 1))])
    bench.batch.set_schemes(0, [Scheme(Action.STAT, filters=tuple(filters))])
    bench.step(0.1)
    through: int = bench.batch.snapshot(0)["scheme_stats"][0][FILTER_PASSED]
    return through / FOOTPRINT_BYTES


def allow(kind: FilterType, matching: bool = True, **fields: int | str) -> Filter:
    return Filter(kind, matching, True, **fields)  # type: ignore[arg-type]


def reject(kind: FilterType, matching: bool = True, **fields: int | str) -> Filter:
    return Filter(kind, matching, False, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("paddr", [False, True], ids=["vaddr", "paddr"])
@pytest.mark.parametrize(
    ("filters", "share"),
    [
        ([allow(FilterType.ANON)], 0.25),
        ([reject(FilterType.ANON)], 0.75),
        ([allow(FilterType.ANON, matching=False)], 0.75),
        ([reject(FilterType.MEMCG, memcg_path="/tenant0")], 0.0),
        ([allow(FilterType.MEMCG, memcg_path="/tenant0")], 1.0),
        ([allow(FilterType.MEMCG, memcg_path="/tenant1")], 0.0),
        ([reject(FilterType.UNMAPPED)], 1.0),
        ([allow(FilterType.YOUNG)], 1.0),
        ([reject(FilterType.YOUNG)], 0.0),
        ([reject(FilterType.MEMCG, memcg_path="/tenant1"), allow(FilterType.ANON)], 0.25),
        ([reject(FilterType.ANON), reject(FilterType.ANON, matching=False)], 0.0),
        ([allow(FilterType.HUGEPAGE_SIZE, min_bytes=2 * MIB, max_bytes=2 * MIB)], 0.0),
        ([allow(FilterType.HUGEPAGE_SIZE, min_bytes=0, max_bytes=4096)], 1.0),
    ],
)
def test_filters_let_through_what_they_say(
    filters: list[Filter], share: float, paddr: bool
) -> None:
    assert passed(ML, filters, paddr) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("paddr", [False, True], ids=["vaddr", "paddr"])
def test_huge_pages_are_told_by_their_size(paddr: bool) -> None:
    spec = cold_spec(THP)
    huge = {"min_bytes": 2 * MIB, "max_bytes": 2 * MIB}
    assert passed(spec, [allow(FilterType.HUGEPAGE_SIZE, **huge)], paddr) == pytest.approx(1.0)
    assert passed(spec, [reject(FilterType.HUGEPAGE_SIZE, **huge)], paddr) == 0.0


def test_pages_age_once_their_bits_were_cleared() -> None:
    bench = Bench(steady_spec(0.5, 30.0, 0.0, HOST))
    bench.batch.set_schemes(0, [Scheme(Action.STAT, filters=(allow(FilterType.YOUNG),))])
    bench.step(0.1)
    before = bench.batch.snapshot(0)["scheme_stats"][0][FILTER_PASSED]
    bench.step(0.1)
    again = bench.batch.snapshot(0)["scheme_stats"][0][FILTER_PASSED] - before
    assert before == pytest.approx(FOOTPRINT_BYTES, rel=1e-3)
    # half of memory is read 3 times in between
    assert again == pytest.approx(0.5 * 0.95 * FOOTPRINT_BYTES, rel=0.06)


def test_list_actions_decide_what_is_active() -> None:
    spec = cold_spec(HOST)
    bench = Bench(spec)
    bench.batch.set_contexts(0, [SimContext(Operations.PADDR, nodes=(0,))])
    stat = Scheme(Action.STAT, filters=(allow(FilterType.ACTIVE),))
    rejects_all = (reject(FilterType.ANON),)
    through = []
    for action in (
        Scheme(Action.STAT),
        Scheme(Action.LRU_PRIO, filters=rejects_all),
        Scheme(Action.LRU_PRIO),
        Scheme(Action.LRU_DEPRIO),
    ):
        bench.batch.set_schemes(0, [action, stat])
        before = bench.batch.snapshot(0)["scheme_stats"][1][FILTER_PASSED]
        bench.step(0.5)
        after = bench.batch.snapshot(0)["scheme_stats"][1][FILTER_PASSED]
        through.append((after - before) / FOOTPRINT_BYTES)
    assert through[0] == through[1] == 0
    assert through[2] > 4
    assert through[3] < 0.1


@pytest.mark.parametrize("dests", [False, True], ids=["target_nid", "dests"])
def test_migration_by_vaddr_asks_filters(dests: bool) -> None:
    bench = Bench(ML)
    where = {"dests": (Dest(1, 1),)} if dests else {"target_nid": 1}
    scheme = Scheme(Action.MIGRATE_COLD, filters=(reject(FilterType.ANON),), **where)  # type: ignore[arg-type]
    bench.batch.set_schemes(0, [scheme])
    bench.step(1.0)
    slow = bench.batch.machine(0)["used_bytes"]["slow"]
    assert slow == pytest.approx(0.75 * FOOTPRINT_BYTES, rel=0.02)


def test_madvise_asks_no_filters() -> None:
    bench = Bench(cold_spec({**HOST, "pool_share": 8.0}))
    scheme = Scheme(Action.PAGEOUT, filters=(reject(FilterType.ANON),))
    bench.batch.set_schemes(0, [scheme])
    assert bench.step(1.0)["pages_out"] > 0
