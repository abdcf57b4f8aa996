"""Two nodes: what moves between them, what it costs, and that nothing is lost."""

from __future__ import annotations

import pytest

from damon_tuner.kernel_iface.host import Action, Dest, Scheme

from .helpers import FOOTPRINT_BYTES, PAGE_BYTES, Bench, cold_spec, steady_spec

NODES = {
    "slow_ratio": 1.0,
    "fast_ns": 100.0,
    "slow_ns": 250.0,
    "slow_gbps": 30.0,
    "fast_gbps": 200.0,
    "migrate_page_us": 1.0,
    "low_wmark_permille": 5.0,
    "check_us": 0.0,
}
PAGES = FOOTPRINT_BYTES / PAGE_BYTES


def used(bench: Bench) -> dict[str, float]:
    sizes: dict[str, float] = bench.batch.machine(0)["used_bytes"]
    return sizes


def migrate(nid: int, action: Action = Action.MIGRATE_COLD) -> Scheme:
    return Scheme(action, target_nid=nid)


@pytest.mark.parametrize("action", [Action.MIGRATE_COLD, Action.MIGRATE_HOT])
def test_migration_moves_all_there_and_back(action: Action) -> None:
    bench = Bench(cold_spec(NODES), [migrate(1, action)])
    down = bench.step(1.0)
    assert used(bench)["slow"] == pytest.approx(FOOTPRINT_BYTES, rel=1e-6)
    assert down["pages_demoted"] == pytest.approx(PAGES, rel=1e-6)
    assert down["interference_us"] > 0.3 * PAGES * NODES["migrate_page_us"]
    bench.batch.set_schemes(0, [migrate(0, action)])
    up = bench.step(1.0)
    assert used(bench)["fast"] == pytest.approx(FOOTPRINT_BYTES, rel=1e-6)
    assert up["pages_promoted"] == pytest.approx(PAGES, rel=1e-6)
    assert up["stall_us"] == up["faults"] == 0


@pytest.mark.parametrize("room", [0.0, 0.25, 0.7])
def test_demotion_ends_where_the_slow_node_is_full(room: float) -> None:
    bench = Bench(cold_spec({**NODES, "slow_ratio": room}), [migrate(1)])
    bench.step(3.0)
    assert used(bench)["slow"] == pytest.approx(room * FOOTPRINT_BYTES, rel=1e-6)
    assert sum(used(bench).values()) == pytest.approx(FOOTPRINT_BYTES)


@pytest.mark.parametrize("nid", [-1, 0, 2])
def test_a_node_that_is_none_or_the_own_moves_nothing(nid: int) -> None:
    bench = Bench(cold_spec(NODES), [migrate(nid)])
    assert bench.step(1.0)["pages_demoted"] == 0
    stats = bench.batch.snapshot(0)["scheme_stats"][0]
    assert stats[1] > 0 and stats[3] == 0


@pytest.mark.parametrize(("fast", "slow"), [(1, 3), (1, 1), (9, 1), (0, 5)])
def test_destinations_get_their_weights_and_keep_them(fast: int, slow: int) -> None:
    scheme = Scheme(Action.MIGRATE_HOT, dests=(Dest(0, fast), Dest(1, slow)))
    bench = Bench(cold_spec(NODES), [scheme])
    bench.step(1.0)
    share = slow / (fast + slow)
    assert used(bench)["slow"] == pytest.approx(share * FOOTPRINT_BYTES, rel=1e-4)
    again = bench.step(1.0)
    assert again["pages_demoted"] + again["pages_promoted"] < 1e-3 * PAGES


def test_slow_memory_costs_the_time_that_loads_wait_for_it() -> None:
    bench = Bench(steady_spec(1.0, 20.0, 0.0, NODES), [migrate(1)])
    bench.step(2.0)
    bench.batch.set_schemes(0, [])
    bench.step(1.0)
    truth = bench.step(5.0)
    bound, slower = 0.3, NODES["slow_ns"] / NODES["fast_ns"] - 1.0
    assert truth["lost_us"] == pytest.approx(truth["busy_us"] * bound * slower, rel=1e-6)
    assert truth["slow_byte_s"] == pytest.approx(5.0 * FOOTPRINT_BYTES, rel=1e-6)


def penalty(bound: float, slow: float, nodes: dict[str, float] = NODES) -> float:
    """How much longer accesses take of which a share is to slow memory; each bus queues."""
    bus = 0.8 * bound
    slower = nodes["slow_ns"] / nodes["fast_ns"]
    time = (1 - slow) / (1 - bus * (1 - slow)) + slow * slower / (1 - bus * slow)
    least = bus * slow * nodes["fast_gbps"] / nodes["slow_gbps"]
    return max(time * (1 - bus), least) - 1.0


def test_only_accesses_to_slow_memory_are_slow() -> None:
    # the hot tenth stays in fast memory
    bench = Bench(
        steady_spec(0.1, 90.0, 1.0, NODES),
        [Scheme(Action.MIGRATE_HOT, dests=(Dest(0, 1), Dest(1, 1)))],
    )
    bench.step(2.0)
    bench.batch.set_schemes(0, [])
    bench.step(1.0)
    truth = bench.step(5.0)
    wanted = truth["busy_us"] * 0.3 * penalty(0.3, 0.5)
    assert truth["lost_us"] == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(("bound", "helps"), [(0.2, False), (0.9, True)])
def test_a_second_bus_helps_who_fills_the_first(bound: float, helps: bool) -> None:
    near = {**NODES, "slow_ns": 150.0, "slow_gbps": 60.0}
    spread = Scheme(Action.MIGRATE_HOT, dests=(Dest(0, 8), Dest(1, 2)))
    bench = Bench(steady_spec(1.0, 90.0, 0.0, near, memory_bound_share=bound), [spread])
    bench.step(2.0)
    bench.batch.set_schemes(0, [])
    bench.step(1.0)
    truth = bench.step(5.0)
    wanted = truth["busy_us"] * bound * penalty(bound, 0.2, near)
    assert truth["lost_us"] == pytest.approx(wanted, rel=1e-3)
    assert (truth["lost_us"] < 0.0) == helps


def test_a_slow_bus_is_never_faster_than_its_bandwidth() -> None:
    narrow = {**NODES, "slow_gbps": 10.0}
    bench = Bench(steady_spec(1.0, 20.0, 0.0, narrow), [migrate(1)])
    bench.step(2.0)
    bench.batch.set_schemes(0, [])
    bench.step(1.0)
    truth = bench.step(5.0)
    assert truth["lost_us"] == pytest.approx(truth["busy_us"] * 0.3 * (0.24 * 20 - 1), rel=1e-6)


def test_memory_in_the_slow_tier_has_its_price() -> None:
    bench = Bench(cold_spec({**NODES, "slow_price": 0.25}), [migrate(1)])
    bench.step(1.0)
    truth = bench.step(1.0)
    assert truth["cost_byte_s"] == pytest.approx(0.25 * truth["cost_unmanaged_byte_s"], rel=1e-6)


def test_ping_pong_costs_at_every_turn_and_loses_nothing() -> None:
    bench = Bench(steady_spec(0.3, 20.0, 0.1, NODES))
    for turn in range(10):
        bench.batch.set_schemes(0, [migrate((turn + 1) % 2)])
        truth = bench.step(1.0)
        moved = truth["pages_promoted"] + truth["pages_demoted"]
        assert moved == pytest.approx(PAGES, rel=1e-5)
        assert truth["interference_us"] > 0
        assert sum(used(bench).values()) == pytest.approx(FOOTPRINT_BYTES, rel=1e-6)
        assert bench.batch.broken_invariant(0) is None


def test_moving_pages_takes_bandwidth() -> None:
    narrow, wide = (
        Bench(steady_spec(1.0, 20.0, 0.0, {**NODES, "slow_gbps": gbps}), [migrate(1)])
        for gbps in (2.0, 60.0)
    )
    assert narrow.step(1.0)["lost_us"] > wide.step(1.0)["lost_us"]
