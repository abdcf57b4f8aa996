"""What the kernel does when memory runs short, and that doing nothing changes nothing."""

from __future__ import annotations

import pytest

from damon_tuner import _core
from damon_tuner.kernel_iface.host import Action, Intervals, MonitoringAttrs, Scheme
from damon_tuner.kernel_iface.sim import SimContext

from .helpers import FOOTPRINT_BYTES, Bench, cold_spec, fixed_spec, steady_spec

QUIET = {"check_us": 0.0, "page_walk_us": 0.0, "low_wmark_permille": 10.0, "swap_ratio": 8.0}
SHORT = {**QUIET, "memory_ratio": 0.7, "pool_share": 0.0}


@pytest.mark.parametrize("ratio", [0.3, 0.7, 0.98])
def test_kswapd_keeps_its_watermark(ratio: float) -> None:
    bench = Bench(cold_spec({**SHORT, "memory_ratio": ratio}))
    bench.step(1.0)
    machine = bench.batch.machine(0)
    fast = machine["fast_bytes"]
    assert 0.01 * fast <= machine["free_bytes"] <= 0.03 * fast
    out = FOOTPRINT_BYTES - fast + machine["free_bytes"]
    assert machine["used_bytes"]["swap"] == pytest.approx(out, rel=1e-4)
    assert machine["kernel_reclaimed_bytes"] >= out * (1 - 1e-6)
    assert machine["oom_kills"] == 0


def test_reclaim_takes_cold_memory_first() -> None:
    bench = Bench(steady_spec(0.5, 20.0, 0.0, SHORT))
    bench.step(5.0)
    assert bench.step(10.0)["faults"] < 0.01 * FOOTPRINT_BYTES / 4096


def test_a_working_set_that_does_not_fit_comes_back_again_and_again() -> None:
    bench = Bench(steady_spec(1.0, 5.0, 0.0, SHORT))
    bench.step(5.0)
    truth = bench.step(5.0)
    assert truth["faults"] > 0.1 * FOOTPRINT_BYTES / 4096
    assert truth["stall_us"] > truth["faults"] * 50
    assert bench.batch.snapshot(0)["psi_some_us"] > 0


def test_demotion_takes_the_place_of_swap_while_there_is_room() -> None:
    profile = {**SHORT, "numa_demotion": 1.0, "slow_ratio": 0.5}
    bench = Bench(cold_spec(profile))
    bench.step(2.0)
    sizes = bench.batch.machine(0)["used_bytes"]
    assert sizes["slow"] > 0.29 * FOOTPRINT_BYTES and sizes["swap"] == 0
    small = Bench(cold_spec({**profile, "slow_ratio": 0.1}))
    small.step(2.0)
    sizes = small.batch.machine(0)["used_bytes"]
    assert sizes["slow"] == pytest.approx(0.1 * FOOTPRINT_BYTES, rel=0.01)
    assert sizes["swap"] > 0.15 * FOOTPRINT_BYTES


def test_without_anywhere_to_go_the_kernel_kills_once_in_a_restart() -> None:
    bench = Bench(cold_spec({**SHORT, "swap_ratio": 0.0}))
    truth = bench.step(35.0)
    assert 3 <= truth["oom_kills"] <= 4
    assert bench.batch.machine(0)["oom_kills"] >= 3
    assert truth["stall_us"] >= 3 * 10e6 * 0.1
    assert bench.batch.broken_invariant(0) is None


@pytest.mark.parametrize("watermark", [0.0, 500.0])
def test_extreme_watermarks_are_survived(watermark: float) -> None:
    profile = {**SHORT, "low_wmark_permille": watermark, "memory_ratio": 0.5}
    bench = Bench(cold_spec(profile))
    bench.step(3.0)
    machine = bench.batch.machine(0)
    assert machine["used_bytes"]["fast"] <= machine["fast_bytes"]
    assert machine["oom_kills"] == 0


UNMANAGED = {
    "plenty": {"memory_ratio": 2.0},
    "short": {"memory_ratio": 0.6},
    "short, with a pool": {"memory_ratio": 0.6, "pool_share": 0.5},
    "no swap": {"memory_ratio": 0.6, "swap_ratio": 0.0, "pool_share": 0.0},
    "huge pages": {"thp_mode": 2.0},
    "huge pages, short": {"thp_mode": 2.0, "memory_ratio": 0.6},
    "slow node": {"slow_ratio": 1.0, "memory_ratio": 0.6, "numa_demotion": 1.0},
    "slow clock": {"clock_cap": 0.5},
    "energy": {"energy_price": 0.5},
}


@pytest.mark.parametrize("host", UNMANAGED)
@pytest.mark.parametrize("family", _core.FAMILIES)
def test_without_schemes_nothing_is_saved_and_nothing_lost(family: str, host: str) -> None:
    size = float(64 << 20)
    spec = fixed_spec(family, {"footprint_bytes": size}, {**QUIET, **UNMANAGED[host]})
    bench = Bench(spec)
    # whatever DAMON's intervals are: at these nothing falls together with the load's ticks
    attrs = MonitoringAttrs(Intervals(7_001, 70_010))
    bench.batch.set_contexts(0, [SimContext(attrs=attrs, targets=(0,))])
    for seconds in (0.013, 1.9, 7.7, 12.0):
        truth = bench.step(seconds)
        assert truth["cost_byte_s"] == truth["cost_unmanaged_byte_s"]
        assert truth["lost_us"] == truth["lost_unmanaged_us"]
        assert truth["energy_j"] == truth["energy_unmanaged_j"]


def test_what_is_refaulted_counts_as_used_again() -> None:
    demote = Scheme(Action.COLD)
    bench = Bench(steady_spec(0.5, 20.0, 0.0, SHORT), [demote])
    bench.step(2.0)
    bench.batch.set_schemes(0, [])
    bench.step(10.0)
    # the hot half was put on the inactive list once, and is not taken for ever
    assert bench.step(10.0)["faults"] < 0.01 * FOOTPRINT_BYTES / 4096
