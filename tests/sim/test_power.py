"""Memory blocks that go offline and come back, the memory clock, and energy."""

from __future__ import annotations

import pytest

from .helpers import FOOTPRINT_BYTES, MIB, Bench, cold_spec, steady_spec

# 16 blocks of 64 MiB, of which 8 are in use
POWER = {
    "memory_ratio": 2.0,
    "memory_block_mib": 64.0,
    "unmovable_share": 0.0,
    "offline_s_per_gib": 16.0,
    "online_s": 1.0,
    "ranks": 8.0,
    "interleaved": 0.0,
    "low_wmark_permille": 5.0,
    "clock_power_share": 0.4,
    "check_us": 0.0,
}
GIB_TOTAL = 2 * FOOTPRINT_BYTES / 2**30
STANDBY_W, POWERDOWN_W, SELF_REFRESH_W = 55e-3, 41e-3, 36e-3


def bench_of(**profile: float) -> Bench:
    return Bench(cold_spec({**POWER, **profile}))


def test_blocks_go_offline_one_after_the_other_and_only_while_others_can_take_them() -> None:
    bench = bench_of()
    bench.batch.set_power(0, 16, 1.0)
    offline = []
    for _ in range(12):
        bench.step(1.0)
        machine = bench.batch.machine(0)
        offline.append(machine["blocks_offline"])
        assert machine["used_bytes"]["fast"] == FOOTPRINT_BYTES
        assert machine["free_bytes"] >= 0
    assert offline[:5] == [1, 2, 3, 4, 5]
    # a block's content must fit beside what is in use and the watermarks
    assert offline[-1] == 7
    assert bench.batch.machine(0)["blocks_failed"] == 1
    assert bench.batch.snapshot(0)["memory_total_bytes"] == 9 * 64 * MIB


@pytest.mark.parametrize(("share", "most"), [(1.0, 0), (0.9, 1), (0.75, 4)])
def test_blocks_with_unmovable_pages_stay(share: float, most: int) -> None:
    bench = bench_of(unmovable_share=share, offline_s_per_gib=0.0)
    bench.batch.set_power(0, 7, 1.0)
    bench.step(10.0)
    machine = bench.batch.machine(0)
    assert (machine["blocks_offline"], machine["blocks_failed"]) == (most, 1)


def test_blocks_come_back() -> None:
    bench = bench_of(offline_s_per_gib=0.0)
    bench.batch.set_power(0, 3, 1.0)
    bench.step(5.0)
    bench.batch.set_power(0, 0, 1.0)
    offline = []
    for _ in range(6):
        bench.step(1.0)
        offline.append(bench.batch.machine(0)["blocks_offline"])
    assert offline[-1] == 0 and offline == sorted(offline, reverse=True)
    assert bench.batch.snapshot(0)["memory_total_bytes"] == 2 * FOOTPRINT_BYTES


def test_emptying_a_block_takes_cpu_time() -> None:
    bench = bench_of(migrate_page_us=1.5)
    bench.batch.set_power(0, 4, 1.0)
    assert bench.step(8.0)["interference_us"] > 0


@pytest.mark.parametrize("interleaved", [0.0, 1.0])
def test_whole_ranks_offline_refresh_themselves_where_not_interleaved(interleaved: float) -> None:
    bench = bench_of(offline_s_per_gib=0.0, interleaved=interleaved)
    bench.batch.set_power(0, 6, 1.0)
    bench.step(20.0)
    truth = bench.step(10.0)
    saved_w = (truth["energy_unmanaged_j"] - truth["energy_j"]) / 10.0
    asleep = GIB_TOTAL * 6 / 16
    expected = 0.0 if interleaved else asleep * (POWERDOWN_W - SELF_REFRESH_W)
    assert saved_w == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_half_a_rank_saves_nothing() -> None:
    bench = bench_of(offline_s_per_gib=0.0)
    bench.batch.set_power(0, 1, 1.0)
    bench.step(5.0)
    truth = bench.step(5.0)
    assert truth["energy_j"] == pytest.approx(truth["energy_unmanaged_j"])


def test_energy_has_a_price_without_a_twin_too() -> None:
    bench = bench_of(offline_s_per_gib=0.0, energy_price=0.1)
    bench.batch.set_power(0, 6, 1.0)
    bench.step(20.0)
    truth = bench.step(10.0)
    saved = truth["cost_unmanaged_byte_s"] - truth["cost_byte_s"]
    energy = truth["energy_unmanaged_j"] - truth["energy_j"]
    assert saved == pytest.approx(energy * 0.1 * 2**30, rel=1e-6) and saved > 0


def test_a_capped_clock_costs_who_waits_for_memory_and_saves_energy() -> None:
    spec = steady_spec(1.0, 10.0, 0.0, {**POWER, "clock_cap": 1.0})
    bench = Bench(spec)
    assert bench.step(1.0)["lost_us"] == 0.0
    bench.batch.set_power(0, 0, 0.6)
    truth = bench.step(10.0)
    assert truth["energy_j"] == pytest.approx(truth["energy_unmanaged_j"] * (1 - 0.4 * 0.4))
    load = 0.8 * 0.3
    expected = 0.3 * ((1 - load) / (1 - load / 0.6) - 1)
    assert truth["lost_us"] == pytest.approx(truth["busy_us"] * expected, rel=1e-6)
    assert truth["lost_unmanaged_us"] == 0.0
