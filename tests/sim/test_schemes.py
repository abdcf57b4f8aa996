"""Schemes do what they say: quotas, priorities, schedules, watermarks, statistics."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Intervals,
    MonitoringAttrs,
    Quota,
    Scheme,
    SchemeStats,
    WatermarkMetric,
    Watermarks,
)
from damon_tuner.kernel_iface.sim import SimHost

from .helpers import (
    FOOTPRINT_BYTES,
    MIB,
    PAGE_BYTES,
    SMALL_RANGES_BYTES,
    Bench,
    cold_spec,
    fixed_spec,
    mapped,
    page_out,
    running,
    steady_spec,
)

STAT = Scheme(Action.STAT)


def stats_of(host: SimHost, index: int = 0) -> SchemeStats:
    return host.snapshot().scheme_stats[index]


def applied_per_window(scheme: Scheme, windows: int, spec_background_hz: float = 0.0) -> list[int]:
    """Bytes applied in each charge window; the first opens when the scheme is first due."""
    host = running(steady_spec(0.001, 0.0, spec_background_hz), [scheme])
    host.advance(0.005)
    applied = [0]
    for _ in range(windows):
        host.advance(scheme.quota.reset_interval_ms / 1_000)
        applied.append(stats_of(host).sz_applied_bytes)
    return [after - before for before, after in pairwise(applied)]


@pytest.mark.parametrize("apply_interval_us", [0, 10_000])
@pytest.mark.parametrize("reset_interval_ms", [200, 1_000, 5_000])
@pytest.mark.parametrize("sz_bytes", [10_000, MIB, 7 * MIB + 1])
def test_a_size_quota_is_used_and_never_exceeded(
    sz_bytes: int, reset_interval_ms: int, apply_interval_us: int
) -> None:
    quota = Quota(sz_bytes=sz_bytes, reset_interval_ms=reset_interval_ms)
    scheme = replace(page_out(quota=quota), apply_interval_us=apply_interval_us)
    applied = applied_per_window(scheme, 12)
    assert set(applied) == {sz_bytes // PAGE_BYTES * PAGE_BYTES}


@pytest.mark.parametrize("weight_age_permille", [0, 1_000])
def test_a_quota_holds_where_memory_comes_back(weight_age_permille: int) -> None:
    quota = Quota(
        sz_bytes=40 * MIB, reset_interval_ms=1_000, weight_age_permille=weight_age_permille
    )
    applied = applied_per_window(page_out(quota=quota), 60, spec_background_hz=0.05)
    assert max(applied) <= 40 * MIB
    assert sum(applied) > FOOTPRINT_BYTES


def test_a_quota_below_a_page_does_nothing() -> None:
    quota = Quota(sz_bytes=PAGE_BYTES - 1, reset_interval_ms=100)
    host = running(cold_spec(), [page_out(quota=quota)])
    host.advance(2.05)
    assert stats_of(host).nr_tried == 0
    assert stats_of(host).qt_exceeds > 0


def test_full_windows_are_counted() -> None:
    quota = Quota(sz_bytes=MIB, reset_interval_ms=1_000)
    host = running(cold_spec(), [page_out(quota=quota)])
    for windows in range(10):
        host.advance(0.15 if windows == 0 else 1.0)
        assert stats_of(host).qt_exceeds == windows
        assert stats_of(host).effective_quota_bytes == MIB


def test_a_quota_that_is_not_reached_is_not_exceeded() -> None:
    quota = Quota(sz_bytes=4 * FOOTPRINT_BYTES, reset_interval_ms=1_000)
    host = running(cold_spec(), [page_out(AccessPattern(0, max_nr_accesses=0, min_age=50), quota)])
    host.advance(20.0)
    assert stats_of(host).sz_applied_bytes >= FOOTPRINT_BYTES
    assert stats_of(host).qt_exceeds == 0


@pytest.mark.parametrize("page_out_us", [5.0, 10.0])
@pytest.mark.parametrize("time_ms", [10, 40])
def test_a_time_quota_bounds_the_time_spent(time_ms: int, page_out_us: float) -> None:
    quota = Quota(time_ms=time_ms, reset_interval_ms=1_000)
    bench = Bench(cold_spec({"page_out_us": page_out_us}), [page_out(quota=quota)])
    # the first window goes by a guess of the speed
    bench.step(1.05)
    spent_ms = [bench.step(1.0)["pages_out"] * page_out_us / 1_000 for _ in range(6)]
    assert max(spent_ms) <= 1.05 * time_ms
    assert min(spent_ms) >= 0.8 * time_ms


def test_the_smaller_of_two_quotas_holds() -> None:
    quota = Quota(time_ms=10, sz_bytes=MIB, reset_interval_ms=1_000)
    assert set(applied_per_window(page_out(quota=quota), 5)) == {MIB}
    quota = Quota(time_ms=1, sz_bytes=FOOTPRINT_BYTES, reset_interval_ms=1_000)
    assert max(applied_per_window(page_out(quota=quota), 5)[1:]) < 2 * MIB


@pytest.mark.parametrize(
    "quota",
    [
        Quota(sz_bytes=2**64 - 1, time_ms=2**64 - 1, reset_interval_ms=2**64 - 1),
        Quota(time_ms=2**64 - 1, reset_interval_ms=1),
        Quota(sz_bytes=2**64 - 1),
        Quota(time_ms=2**63),
    ],
)
def test_an_endless_quota_limits_nothing(quota: Quota) -> None:
    host = running(cold_spec({"page_out_us": 1e-300}), [page_out(quota=quota)])
    host.advance(10.0)
    assert host.snapshot().resident_bytes < FOOTPRINT_BYTES * 0.01
    assert stats_of(host).qt_exceeds == 0


def test_a_long_reset_interval_does_not_wrap_around() -> None:
    # times 1000 this is a little above 2^64
    quota = Quota(sz_bytes=MIB, reset_interval_ms=2**64 // 1_000 + 1)
    host = running(cold_spec(), [page_out(quota=quota)])
    host.advance(10.0)
    assert stats_of(host).sz_applied_bytes == MIB


def faults_of_a_phase_that_returns(quota: Quota) -> tuple[float, float]:
    """Pages that a scheme put out while a quarter was idle for a short time; faults on return."""
    workload = {
        "nr_phases": 2.0,
        "hot_share": 0.25,
        "hot_rate_hz": 100.0,
        "period_s": 40.0,
        "random_order": 0.0,
        "background_rate_hz": 0.0,
    }
    bench = Bench(fixed_spec("phases", workload), seed=9)
    bench.step(42.0)
    bench.batch.set_schemes(0, [page_out(quota=quota)])
    pages_out = bench.step(5.0)["pages_out"]
    bench.batch.set_schemes(0, [])
    return pages_out, bench.step(40.0)["faults"]


def test_the_oldest_go_first() -> None:
    quota = Quota(sz_bytes=8 * MIB, reset_interval_ms=1_000, weight_age_permille=1_000)
    pages_out, faults = faults_of_a_phase_that_returns(quota)
    _, faults_of_everything = faults_of_a_phase_that_returns(Quota())
    assert pages_out > 0.9 * 5 * 8 * MIB / PAGE_BYTES
    assert faults < 0.02 * pages_out
    assert faults_of_everything > 0.2 * FOOTPRINT_BYTES / PAGE_BYTES


def test_the_coldest_go_first() -> None:
    quota = Quota(sz_bytes=4 * MIB, reset_interval_ms=1_000, weight_nr_accesses_permille=1_000)
    anything = AccessPattern()
    prioritised = Bench(steady_spec(0.3, 50.0, 0.0), [page_out(anything, quota)])
    in_turn = Bench(
        steady_spec(0.3, 50.0, 0.0),
        [page_out(anything, replace(quota, weight_nr_accesses_permille=0))],
    )
    few, many = prioritised.step(60.0), in_turn.step(60.0)
    assert few["pages_out"] > 0.9 * 60 * 4 * MIB / PAGE_BYTES
    assert few["faults"] < 0.02 * many["faults"]


@pytest.mark.parametrize("apply_interval_us", [5_000, 25_000, 100_000, 300_000, 1_000_000])
def test_the_apply_interval_is_kept(apply_interval_us: int) -> None:
    host = running(cold_spec(), [replace(STAT, apply_interval_us=apply_interval_us)])
    at_us, tried = [], 0
    for sample in range(1, 601):
        host.advance(0.005)
        now = stats_of(host).nr_tried
        if now > tried:
            at_us.append(sample * 5_000)
        tried = now
    assert at_us == list(range(apply_interval_us, 3_000_001, apply_interval_us))


@pytest.mark.parametrize(("apply_interval_us", "every_us"), [(12_000, 10_000), (3_000, 5_000)])
def test_an_apply_interval_is_counted_in_whole_samples(
    apply_interval_us: int, every_us: int
) -> None:
    host = running(cold_spec(), [replace(STAT, apply_interval_us=apply_interval_us)])
    regularly = running(cold_spec(), [replace(STAT, apply_interval_us=every_us)])
    for each in (host, regularly):
        each.advance(1.0)
    assert host.snapshot() == regularly.snapshot()


def test_without_an_apply_interval_the_aggregation_interval_holds() -> None:
    attrs = MonitoringAttrs(Intervals(sample_us=5_000, aggr_us=230_000))
    host = running(cold_spec(), [STAT], attrs=attrs)
    host.advance(0.225)
    assert stats_of(host).nr_tried == 0
    host.advance(0.005)
    assert stats_of(host).nr_tried > 0


def test_page_out_makes_regions_young_again() -> None:
    pattern = AccessPattern(max_nr_accesses=0, min_age=20)
    host = running(cold_spec(), [page_out(pattern)])
    watched = running(cold_spec(), [Scheme(Action.STAT, pattern)])
    oldest = 0
    for _ in range(100):
        host.advance(0.1)
        oldest = max(oldest, *(region.age for region in mapped(host.snapshot())))
    watched.advance(10.0)
    assert oldest == 19
    assert min(region.age for region in mapped(watched.snapshot())) >= 90


WATCHED = Watermarks(WatermarkMetric.FREE_MEM_RATE, 1_000_000, 500, 400, 200)


@pytest.mark.parametrize(
    ("memory_ratio", "active"),
    [(1.05, False), (1.3, True), (1.9, True), (2.1, False), (9.0, False)],
)
def test_a_scheme_works_between_its_watermarks(memory_ratio: float, active: bool) -> None:
    quota = Quota(sz_bytes=MIB, reset_interval_ms=1_000)
    scheme = replace(page_out(quota=quota), watermarks=WATCHED)
    host = running(cold_spec({"memory_ratio": memory_ratio}), [scheme])
    host.advance(10.0)
    assert (stats_of(host).nr_tried > 0) is active


def test_a_stopped_scheme_waits_for_the_middle_watermark() -> None:
    quota = Quota(sz_bytes=4 * MIB, reset_interval_ms=1_000)
    scheme = replace(page_out(quota=quota), watermarks=WATCHED)
    spec = steady_spec(0.001, 0.0, 0.01, {"memory_ratio": 1.3})
    host = running(spec, [scheme])
    free, works = [], []
    for _ in range(200):
        before = host.snapshot()
        host.advance(1.0)
        free.append(1_000 * before.memory_free_bytes / before.memory_total_bytes)
        works.append(stats_of(host).nr_tried > before.scheme_stats[0].nr_tried)
    stopped = works.index(False, 1)
    resumed = works.index(True, stopped)
    assert free[stopped] == pytest.approx(500, abs=10)
    assert free[resumed] == pytest.approx(400, abs=10)
    assert resumed - stopped > 20


def test_kdamond_sleeps_while_no_scheme_is_active() -> None:
    spec = steady_spec(0.3, 50.0, 0.0, {"memory_ratio": 9.0})
    scheme = replace(page_out(), watermarks=WATCHED)
    host = running(spec, [scheme])
    before = host.snapshot()
    host.advance(30.0)
    assert host.snapshot().regions == before.regions
    assert host.snapshot().time_us == 30_000_000
    # an active scheme keeps it awake, and the other one still does nothing
    host.apply([scheme, STAT])
    host.advance(30.0)
    assert host.snapshot().regions != before.regions
    assert stats_of(host, 0).nr_tried == 0
    assert stats_of(host, 1).nr_tried > 0


@pytest.mark.parametrize("interval_us", [2**40, 2**64 - 1])
def test_a_long_wait_for_watermarks_ends_no_earlier(interval_us: int) -> None:
    waits = replace(WATCHED, interval_us=interval_us)
    host = running(cold_spec({"memory_ratio": 9.0}), [replace(page_out(), watermarks=waits)])
    for _ in range(5):
        host.advance(1_000.0)
    assert stats_of(host).nr_tried == 0
    assert host.snapshot().time_us == 5_000_000_000


def test_stat_only_counts() -> None:
    spec = steady_spec(0.3, 20.0, 0.1)
    left_alone, counted = running(spec), running(spec, [STAT])
    for _ in range(10):
        left_alone.advance(1.0)
        counted.advance(1.0)
        seen = counted.snapshot()
        # Only regions: DAMON joins equal neighbours after it has offered them to schemes.
        alone = replace(left_alone.snapshot(), regions=seen.regions)
        assert replace(seen, scheme_stats=()) == alone
    stats = stats_of(counted)
    assert stats.nr_tried >= 100 * 10
    assert stats.sz_tried_bytes == 100 * (FOOTPRINT_BYTES + SMALL_RANGES_BYTES)
    assert (stats.nr_applied, stats.sz_applied_bytes) == (0, 0)


def test_statistics_only_grow_and_survive_a_commit() -> None:
    host = running(steady_spec(0.2, 50.0, 0.1), [page_out(AccessPattern(min_age=5)), STAT])
    last = host.snapshot().scheme_stats
    for min_age in range(10):
        host.apply([page_out(AccessPattern(min_age=min_age)), STAT])
        assert host.snapshot().scheme_stats == last
        host.advance(2.0)
        now = host.snapshot().scheme_stats
        for before, after in zip(last, now, strict=True):
            assert after.nr_tried > before.nr_tried
            assert after.sz_tried_bytes >= before.sz_tried_bytes + PAGE_BYTES
            assert after.nr_applied >= before.nr_applied
            assert after.sz_applied_bytes >= before.sz_applied_bytes
        last = now
    assert last[0].sz_applied_bytes > 0


def test_a_scheme_that_was_removed_starts_anew() -> None:
    host = running(cold_spec(), [STAT, STAT])
    host.advance(1.0)
    host.apply([STAT])
    host.apply([STAT, STAT])
    assert stats_of(host, 0).nr_tried > 0
    assert stats_of(host, 1) == SchemeStats()


def test_a_commit_does_not_refill_the_quota() -> None:
    scheme = page_out(quota=Quota(sz_bytes=MIB, reset_interval_ms=10_000))
    host = running(cold_spec(), [scheme])
    for _ in range(8):
        host.advance(1.0)
        host.apply([scheme])
    assert stats_of(host).sz_applied_bytes == MIB


def test_the_next_window_goes_on_where_the_last_one_ended() -> None:
    quota = Quota(sz_bytes=16 * MIB, reset_interval_ms=1_000)
    bench = Bench(cold_spec(), [page_out(quota=quota)])
    bench.step(0.05)
    for windows in range(1, 25):
        bench.step(1.0)
        # nothing was paged out twice, as it would be if windows overlapped
        applied = windows * 16 * MIB - SMALL_RANGES_BYTES
        assert bench.swapped_bytes() >= 0.98 * applied


def test_every_scheme_sees_every_region() -> None:
    halves = [
        Scheme(Action.STAT, AccessPattern(max_nr_accesses=4)),
        Scheme(Action.STAT, AccessPattern(min_nr_accesses=5)),
    ]
    host = running(steady_spec(0.4, 200.0, 0.0), halves)
    host.advance(20.0)
    idle, busy = host.snapshot().scheme_stats
    everything = 200 * (FOOTPRINT_BYTES + SMALL_RANGES_BYTES)
    assert idle.sz_tried_bytes + busy.sz_tried_bytes == everything
    assert busy.sz_tried_bytes == pytest.approx(0.4 * everything, rel=0.1)
