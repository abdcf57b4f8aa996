"""What the blocks of each family do, as the simulator itself knows it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import pytest

from damon_tuner import _core

from .helpers import FOOTPRINT_BYTES, Bench, fixed_spec, page_out

NR_BLOCKS = 256


def loads(
    family: str, workload: Mapping[str, float], seconds: float, times: int, seed: int = 1
) -> list[list[tuple[float, float]]]:
    """Rate and touched share of each block, every so many seconds."""
    bench = Bench(fixed_spec(family, workload), seed=seed)
    seen = []
    for _ in range(times):
        bench.step(seconds)
        seen.append(bench.batch.load(0))
    return seen


def touched(load: list[tuple[float, float]]) -> float:
    return sum(share for _, share in load) / len(load)


def hot_blocks(load: list[tuple[float, float]], least_hz: float) -> list[int]:
    return [i for i, (rate, _) in enumerate(load) if rate >= least_hz]


# (mean touched share, mean rate, different rates) after 30 and 300 s with seed 7
GOLDEN: dict[str, tuple[tuple[float, float, int], ...]] = {
    "kv": ((1, 1.086626, 26), (1, 1.074297, 26)),
    "scan": ((1, 15.26076, 3), (1, 15.26076, 3)),
    "phases": ((1, 3.824554, 2), (1, 3.824554, 2)),
    "growth": ((0.265625, 10.24703, 2), (0.5039062, 10.24703, 2)),
    "idle": ((1, 1.469022, 2), (1, 1.469022, 2)),
    "diurnal": ((1, 45.93009, 2), (1, 49.57533, 2)),
    "ml_epochs": ((1, 1.324079, 3), (1, 1.324079, 3)),
    "build_farm": ((0.1465217, 0.002571647, 3), (0.1779705, 0.002632622, 3)),
    "graph": ((1, 27.25794, 37), (1, 26.93157, 4)),
    "oltp": ((0.9949661, 0.7700612, 130), (0.9949661, 0.7702117, 130)),
    "inference": ((0.3895307, 3.373048, 3), (0.3949052, 3.584681, 3)),
    "idle_vm": ((0.566915, 0.101186, 3), (0.566915, 0.101186, 3)),
}


def digest(load: list[tuple[float, float]]) -> tuple[float, float, int]:
    rates = [rate for rate, _ in load]
    return touched(load), math.fsum(rates) / len(rates), len(set(rates))


@pytest.mark.parametrize("family", _core.FAMILIES)
def test_golden_numbers(family: str) -> None:
    size = (FOOTPRINT_BYTES, FOOTPRINT_BYTES)
    bench = Bench(_core.Spec(family, {"footprint_bytes": size}), seed=7)
    bench.step(30.0)
    early = digest(bench.batch.load(0))
    bench.step(270.0)
    for seen, expected in zip((early, digest(bench.batch.load(0))), GOLDEN[family], strict=True):
        assert seen == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("family", _core.FAMILIES)
@pytest.mark.parametrize("nr_draws", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_random_draws_run_and_keep_shares_within_bounds(family: str, nr_draws: int) -> None:
    batch = _core.Batch(nr_draws, 2)
    spec = _core.Spec(family)
    for host in range(nr_draws):
        batch.reset(host, spec, 1000 + host, 0.02)
        batch.set_schemes(host, [page_out()])
    for _ in range(6):
        batch.step(None, 10_000_000)
        for host in range(nr_draws):
            seen = batch.snapshot(host)
            footprint = batch.parameters(host)["footprint_bytes"]
            load = batch.load(host)
            assert all(0.0 <= share <= 1.0 and 0.0 <= rate < 1e7 for rate, share in load)
            assert 0 <= seen["resident_bytes"] <= footprint * 1.02 + 2**21
            assert 0 <= seen["swapped_bytes"] <= footprint * 1.02 + 2**21


ML = {
    "weights_share": 0.1,
    "optimizer_share": 0.1,
    "epoch_s": 100.0,
    "evaluation_s": 20.0,
    "evaluation_share": 0.1,
    "window_share": 0.02,
    "hot_rate_hz": 200.0,
    "burst_interval_s": 10.0,
    "background_rate_hz": 0.0,
}


def test_ml_epochs_read_their_data_in_order_and_then_evaluate() -> None:
    seen = loads("ml_epochs", ML, 2.0, 70)
    assert all(load[block][0] == 200.0 for load in seen for block in range(25))
    windows = [hot_blocks(load[50:], 0.01) for load in seen]
    training = [window[0] for window in windows[:49]]
    assert training == sorted(training)
    # the last tenth of the data is read to evaluate alone
    assert max(window[-1] for window in windows[:49]) <= 206 * 0.9
    assert all(window[0] >= 206 * 0.9 - 1 for window in windows[50:59])
    assert windows[61][0] < 10


def test_ml_epochs_use_the_optimizer_in_bursts() -> None:
    bursts = [load[30][0] == 200.0 for load in loads("ml_epochs", ML, 0.1, 900)]
    assert 0.01 < sum(bursts) / len(bursts) < 0.05


def test_a_build_farm_gives_back_what_its_jobs_took() -> None:
    workload = {
        "kept_share": 0.1,
        "nr_slots": 8.0,
        "load": 0.5,
        "job_s": 20.0,
        "wanted_share": 1.0,
        "hot_share": 0.5,
        "filled_share": 0.5,
        "hot_rate_hz": 50.0,
        "kept_rate_hz": 1.0,
        "background_rate_hz": 0.0,
    }
    seen = loads("build_farm", workload, 5.0, 200)
    shares = [touched(load) for load in seen]
    assert all(0.0976 <= share <= 0.1 + 0.9 * 0.5 for share in shares[1:])
    changes = [b - a for a, b in itertools.pairwise(shares)]
    assert min(changes) < -0.02 < 0.02 < max(changes)
    for load in seen:
        assert {share for _, share in load} <= {0.0, 0.5, 1.0}
        assert all(rate == 0.0 for rate, share in load if not share)
        assert all(rate == 1.0 for rate, _ in load[:25])


def test_nothing_is_said_to_be_on_a_disk_where_all_that_was_swapped_is_freed() -> None:
    """What rounding leaves of freed pages is far less than one, and may be below none."""
    nr_hosts = 60
    batch = _core.Batch(nr_hosts, 2)
    freed = 0
    for host in range(nr_hosts):
        batch.reset(host, _core.Spec("build_farm"), 1000 + host, 0.02)
        batch.set_schemes(host, [page_out()])
    for _ in range(60):
        batch.step(None, 10_000_000)
        for host in range(nr_hosts):
            seen = batch.snapshot(host)
            assert 0.0 <= seen["disk_swapped_share"] <= 1.0
            if seen["swapped_bytes"] == 0:
                assert seen["disk_swapped_share"] == 0.0
                freed += seen["major_faults"] > 0
    assert freed > 0


def test_a_freed_jobs_swapped_pages_are_gone() -> None:
    workload = {"load": 0.5, "job_s": 5.0, "kept_share": 0.05, "background_rate_hz": 0.0}
    bench = Bench(fixed_spec("build_farm", workload), [page_out()])
    for _ in range(40):
        bench.step(5.0)
        seen = bench.batch.snapshot(0)
        in_use = touched(bench.batch.load(0)) * FOOTPRINT_BYTES
        held = seen["resident_bytes"] + seen["swapped_bytes"]
        # what is kept are files, and leaves without going to swap
        kept = 12 / NR_BLOCKS * FOOTPRINT_BYTES
        assert (in_use - kept) * (1 - 1e-4) <= held <= in_use * (1 + 1e-4)


def test_a_graphs_frontier_shrinks_until_the_next_query() -> None:
    workload = {
        "vertex_share": 0.1,
        "skew": 1.0,
        "mean_rate_hz": 5.0,
        "hot_rate_hz": 100.0,
        "iteration_s": 10.0,
        "shrinkage": 0.5,
        "least_frontier": 0.1,
        "nr_chunks": 64.0,
        "background_rate_hz": 0.0,
    }
    seen = loads("graph", workload, 5.0, 20)
    sizes = [len(hot_blocks(load[25:], 1e-6)) for load in seen[::2]]
    assert sizes[:4] == sorted(sizes[:4], reverse=True)
    assert [size / 231 for size in sizes[:4]] == pytest.approx([1, 0.5, 0.25, 0.125], abs=0.03)
    assert sizes[4:8] == sizes[:4]
    # the popular ones stay longest
    assert set(hot_blocks(seen[6][25:], 1e-6)) == set(
        sorted(range(231), key=lambda i: -seen[0][25 + i][0])[: sizes[3]]
    )


OLTP = {
    "levels_share": 0.05,
    "log_share": 0.05,
    "log_s": 50.0,
    "filled_share": 0.8,
    "skew": 1.0,
    "mean_rate_hz": 0.01,
    "hot_rate_hz": 100.0,
    "drift_interval_s": 5.0,
    "checkpoint_interval_s": 100.0,
    "checkpoint_s": 20.0,
}


def test_oltp_rows_drift_but_are_as_popular_together() -> None:
    seen = loads("oltp", {**OLTP, "checkpoint_interval_s": 1e6}, 20.0, 10)
    totals = [math.fsum(rate for rate, _ in load[24:]) for load in seen]
    assert totals == pytest.approx([totals[0]] * 10, rel=0.05)
    assert seen[0][24:] != seen[9][24:]
    assert totals[0] / 232 == pytest.approx(0.01, rel=0.05)


def test_oltp_checkpoints_sweep_over_the_rows() -> None:
    swept = [hot_blocks(load[24:], 3.0) for load in loads("oltp", OLTP, 1.0, 400)]
    active = [window[0] for window in swept if window]
    assert len(active) == pytest.approx(400 * 20 / 120, abs=15)
    passes = sum(b < a for a, b in itertools.pairwise(active))
    assert passes in (2, 3)


def test_an_oltp_log_goes_around() -> None:
    writing = [hot_blocks(load[12:24], 100.0) for load in loads("oltp", OLTP, 1.0, 100)]
    assert all(len(blocks) == 1 for blocks in writing)
    assert {blocks[0] for blocks in writing} == set(range(12))


INFERENCE = {
    "weights_share": 0.5,
    "nr_slots": 8.0,
    "load": 0.5,
    "request_s": 10.0,
    "filled_share": 0.5,
    "keep_share": 0.0,
    "hot_rate_hz": 20.0,
    "cache_rate_hz": 10.0,
    "idle_activity": 0.01,
}


def test_an_inference_cache_grows_and_is_given_back() -> None:
    seen = loads("inference", INFERENCE, 2.0, 200)
    cache = [touched(load[128:]) for load in seen]
    assert min(cache) < 0.1 < 0.2 < max(cache) <= 0.5
    assert all(load[0] == (20.0, 1.0) for load in seen[5:])


def test_an_idle_inference_server_is_cold() -> None:
    seen = loads("inference", {**INFERENCE, "load": 0.002}, 5.0, 400)
    weights = [load[0][0] for load in seen]
    assert set(weights) == {0.0, 20.0}
    assert weights.count(0.0) > 0.6 * len(weights)


def test_an_inference_cache_that_is_kept_is_unused() -> None:
    seen = loads("inference", {**INFERENCE, "keep_share": 1.0}, 10.0, 30)
    kept = [sum(share for rate, share in load[128:] if not rate) for load in seen]
    assert kept[-1] > 5
    assert touched(seen[-1]) > touched(seen[0])


def test_an_idle_guest_sleeps_but_for_its_timers() -> None:
    workload = {
        "boot_s": 20.0,
        "kernel_share": 0.05,
        "page_cache_share": 0.25,
        "touched_share": 0.5,
        "filled_share": 0.5,
        "timer_s": 60.0,
        "awake_s": 10.0,
        "woken_share": 0.05,
        "hot_rate_hz": 50.0,
        "idle_activity": 0.01,
        "background_rate_hz": 0.0,
    }
    seen = loads("idle_vm", workload, 1.0, 400)
    sizes = [len(hot_blocks(load, 1.0)) for load in seen]
    assert sizes[5] == 12 + 64 + 90
    assert set(sizes[25:]) == {12, 12 + 24}
    awake = [second for second, size in enumerate(sizes[25:], 26) if size > 12]
    assert all(second % 60 <= 11 for second in awake)
    assert len(awake) == pytest.approx(60, abs=6)
    assert touched(seen[-1]) == pytest.approx((76 + 90 * 0.5) / 256)
