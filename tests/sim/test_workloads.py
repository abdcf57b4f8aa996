"""Each family draws what it says it draws, and behaves as its name says."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from scipy import stats

from damon_tuner import _core
from damon_tuner.kernel_iface.sim import SimHost

from .helpers import FOOTPRINT_BYTES, Bench, covered, fixed_spec, hot, mapped, page_out, running

SIGNIFICANCE = 1e-3


def parameters(spec: _core.Spec, seed: int) -> dict[str, float]:
    batch = _core.Batch(1)
    batch.reset(0, spec, seed, 1.0)
    return batch.parameters(0)


@pytest.mark.parametrize("family", _core.FAMILIES)
def test_parameters_are_drawn_from_their_ranges(family: str) -> None:
    ranges = {name: (low, high) for name, low, high, *_ in _core.FAMILIES[family] + _core.PROFILE}
    for seed in range(100):
        drawn = parameters(_core.Spec(family), seed)
        assert drawn.keys() == ranges.keys()
        assert all(low <= drawn[name] <= high for name, (low, high) in ranges.items())


@pytest.mark.parametrize("family", _core.FAMILIES)
def test_narrower_ranges_are_kept(family: str) -> None:
    narrow = {
        name: (low + (high - low) / 3, low + (high - low) / 2)
        for name, low, high, *_ in _core.FAMILIES[family]
    }
    spec = _core.Spec(family, narrow, {"swap_price": (0.5, 0.5)})
    for seed in range(30):
        drawn = parameters(spec, seed)
        # a hair more than its bounds is what rounding may give
        assert all(
            low * (1 - 1e-12) <= drawn[name] <= high * (1 + 1e-12)
            for name, (low, high) in narrow.items()
        )
        assert drawn["swap_price"] == 0.5


@pytest.mark.parametrize("family", _core.FAMILIES)
def test_parameters_are_spread_evenly_on_their_scales(family: str) -> None:
    drawn = [parameters(_core.Spec(family), seed) for seed in range(400)]
    table = [row for row in _core.FAMILIES[family] + _core.PROFILE if row[1] < row[2]]
    for name, low, high, _, _, logarithmic in table:
        scale = math.log if logarithmic and low > 0 else float
        position = [(scale(d[name]) - scale(low)) / (scale(high) - scale(low)) for d in drawn]
        pvalue = stats.kstest(position, "uniform").pvalue
        assert pvalue > SIGNIFICANCE / (len(_core.FAMILIES) * len(table)), name


@pytest.mark.parametrize("family", _core.FAMILIES)
def test_an_episode_follows_from_its_seed(family: str) -> None:
    spec = _core.Spec(family, {"footprint_bytes": (FOOTPRINT_BYTES, FOOTPRINT_BYTES)})
    first, again, other = (running(spec, seed=seed) for seed in (5, 5, 6))
    for host in (first, again, other):
        host.advance(20.0)
    assert first.snapshot() == again.snapshot()
    assert first.snapshot().regions != other.snapshot().regions


def alike(a: frozenset[int], b: frozenset[int]) -> float:
    return len(a & b) / len(a | b)


def hot_every(host: SimHost, seconds: float, times: int) -> list[frozenset[int]]:
    seen = []
    for _ in range(times):
        host.advance(seconds)
        seen.append(hot(host.snapshot()))
    return seen


@pytest.mark.parametrize("seed", [1, 4, 5])
def test_phases_move_the_hot_part_and_return(seed: int) -> None:
    workload = {
        "nr_phases": 2.0,
        "hot_share": 0.2,
        "hot_rate_hz": 200.0,
        "period_s": 20.0,
        "random_order": 0.0,
        "background_rate_hz": 0.0,
    }
    host = running(fixed_spec("phases", workload), seed=seed)
    middle, late, other, again = hot_every(host, 9.0, 2) + hot_every(host, 20.0, 2)
    assert len(late) / 256 == pytest.approx(0.2, abs=0.04)
    assert alike(middle, late) > 0.8
    assert alike(late, other) < 0.4
    assert alike(late, again) > 0.8


def test_random_phases_never_repeat_at_once() -> None:
    workload = {
        "nr_phases": 5.0,
        "hot_share": 0.05,
        "hot_rate_hz": 200.0,
        "period_s": 15.0,
        "random_order": 1.0,
        "background_rate_hz": 0.0,
    }
    host = running(fixed_spec("phases", workload), seed=5)
    host.advance(14.0)
    seen = [hot(host.snapshot()), *hot_every(host, 15.0, 20)]
    assert all(alike(a, b) < 0.5 for a, b in pairwise(seen))
    in_turn = [alike(a, b) > 0.5 for a, b in zip(seen, seen[5:], strict=False)]
    assert not all(in_turn)


def test_a_scan_brings_back_every_page_it_passes() -> None:
    workload = {
        "hot_share": 0.1,
        "hot_rate_hz": 0.0,
        "pass_s": 60.0,
        "window_share": 0.02,
        "background_rate_hz": 0.0,
    }
    bench = Bench(fixed_spec("scan", workload))
    bench.step(0.05)
    for _ in range(2):
        bench.batch.set_schemes(0, [page_out()])
        # it begins to count with the next sample
        bench.step(0.105)
        bench.batch.set_schemes(0, [])
        out = bench.swapped_bytes()
        assert out > 0.95 * FOOTPRINT_BYTES
        for tenth in range(1, 11):
            bench.step(6.0)
            # all but the part that is never read, and the few pages that a passage misses
            left = 0.1 + 0.9 * (1 - tenth / 10) + 0.9 * tenth / 10 * math.exp(-3)
            assert bench.swapped_bytes() / out == pytest.approx(left, abs=0.03)


def test_a_scan_leaves_the_hot_part_hot() -> None:
    workload = {
        "hot_share": 0.25,
        "hot_rate_hz": 200.0,
        "pass_s": 30.0,
        "window_share": 0.01,
        "background_rate_hz": 0.0,
    }
    host = running(fixed_spec("scan", workload))
    for seen in hot_every(host, 7.0, 10)[1:]:
        assert alike(seen, frozenset(range(64))) > 0.85


def test_growth_touches_memory_for_the_first_time_and_leaves_it() -> None:
    workload = {
        "initial_share": 0.25,
        "growth_s": 100.0,
        "hot_share": 0.05,
        "hot_rate_hz": 200.0,
        "cooling_s": 10.0,
        "background_rate_hz": 0.0,
    }
    host = running(fixed_spec("growth", workload))
    assert host.snapshot().resident_bytes == 0.25 * FOOTPRINT_BYTES
    for seconds in range(10, 91, 10):
        host.advance(10.0)
        share = 0.25 + 0.75 * seconds / 100
        assert host.snapshot().resident_bytes == pytest.approx(share * FOOTPRINT_BYTES, rel=0.02)
        warm = hot(host.snapshot())
        assert warm >= frozenset(range(1, 11))
        # what was touched in the last ten seconds, behind what is always hot
        recent = frozenset(range(round(256 * (share - 0.06)), round(256 * share) - 2))
        assert len(recent & warm) > 0.8 * len(recent)
        assert len(warm) < 0.2 * 256
    host.advance(20.0)
    assert host.snapshot().resident_bytes == FOOTPRINT_BYTES


def test_idle_goes_to_sleep_and_wakes_in_parts() -> None:
    workload = {
        "startup_s": 10.0,
        "kept_share": 0.05,
        "hot_rate_hz": 200.0,
        "wake_interval_s": 30.0,
        "wake_share": 0.1,
        "wake_s": 10.0,
        "idle_activity": 0.2,
        "background_rate_hz": 0.0,
    }
    host = running(fixed_spec("idle", workload), seed=1)
    host.advance(9.0)
    started = host.snapshot()
    assert len(hot(started)) > 0.95 * 256
    seen = hot_every(host, 3.0, 200)[1:]
    shares = [len(s) / 256 for s in seen]
    assert all(share < 0.25 for share in shares)
    assert min(shares) < 0.08
    awake = [s for s in seen if len(s) > 0.12 * 256]
    assert 0.1 < len(awake) / len(seen) < 0.5
    # not always the same part
    assert len(frozenset[int]().union(*awake)) > 0.4 * 256
    busy = (host.snapshot().cpu_time_us - started.cpu_time_us) / 600e6
    assert 0.2 < busy < 0.6


def test_diurnal_swells_and_shrinks_with_its_day() -> None:
    workload = {
        "period_s": 120.0,
        "low_share": 0.1,
        "high_share": 0.8,
        "hot_rate_hz": 200.0,
        "background_rate_hz": 0.0,
    }
    host = running(fixed_spec("diurnal", workload))
    host.advance(5.0)
    shares = [len(s) / 256 for s in hot_every(host, 5.0, 48)]
    assert min(shares) == pytest.approx(0.1, abs=0.05)
    assert max(shares) == pytest.approx(0.8, abs=0.05)
    assert shares[:24] == pytest.approx(shares[24:], abs=0.08)
    rising = sum(b > a for a, b in pairwise(shares[:25]))
    assert 8 <= rising <= 16


@pytest.mark.parametrize(("drift_share", "moves"), [(0.0, False), (1.0, True)])
def test_kv_ranks_drift(drift_share: float, moves: bool) -> None:
    workload = {
        # two slabs are clearly hot, the third is clearly not
        "skew": 2.5,
        "mean_rate_hz": 45.0,
        "nr_slabs": 16.0,
        "cold_share": 0.5,
        "drift_interval_s": 10.0,
        "drift_share": drift_share,
    }
    host = running(fixed_spec("kv", workload), seed=10)
    host.advance(9.0)
    early, late = hot(host.snapshot()), hot_every(host, 100.0, 1)[0]
    assert 0.1 < len(early) / 256 < 0.6
    assert (alike(early, late) < 0.7) is moves


def test_kv_has_slabs_that_are_never_read() -> None:
    workload = {
        "skew": 0.0,
        "mean_rate_hz": 100.0,
        "nr_slabs": 8.0,
        "cold_share": 0.5,
        "drift_interval_s": 1e6,
        "drift_share": 0.0,
    }
    host = running(fixed_spec("kv", workload), seed=4)
    host.advance(60.0)
    assert len(hot(host.snapshot())) == pytest.approx(128, abs=12)
    unread = covered(r for r in mapped(host.snapshot()) if not r.nr_accesses and r.age > 20)
    assert len(unread) == pytest.approx(128, abs=12)


@pytest.mark.parametrize("family", _core.FAMILIES)
@pytest.mark.parametrize("footprint_bytes", [2.0**24, 2.0**24 + 1, 2.0**35 + 4097, 2.0**46])
def test_every_size_is_monitored_whole(family: str, footprint_bytes: float) -> None:
    spec = fixed_spec(family, {"footprint_bytes": footprint_bytes})
    host = running(spec)
    host.advance(1.0)
    monitored = sum(region.end - region.start for region in mapped(host.snapshot()))
    assert footprint_bytes <= monitored <= footprint_bytes * 1.02 + 2**21
