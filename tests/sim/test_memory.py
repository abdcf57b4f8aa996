"""Pages are conserved, tiers have room, and everything has its price."""

from __future__ import annotations

import math
from array import array
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    MonitoringAttrs,
    Quota,
    Scheme,
    Snapshot,
    WatermarkMetric,
    Watermarks,
)
from damon_tuner.policies.schema import RECLAIM

from .helpers import (
    FOOTPRINT_BYTES,
    MIB,
    PAGE_BYTES,
    PROFILE,
    Bench,
    cold_spec,
    page_out,
    running,
    steady_spec,
    tenant_bytes,
)

ZRAM = {"pool_share": 8.0, "incompressible_share": 0.0}
DISK = {"pool_share": 0.0, "swap_ratio": 8.0}


@pytest.mark.parametrize("family", _core.FAMILIES)
def test_managed_or_not_the_tenant_has_the_same_memory(family: str) -> None:
    spec = _core.Spec(family, {"footprint_bytes": (FOOTPRINT_BYTES, FOOTPRINT_BYTES)})
    managed, unmanaged = running(spec, [page_out(AccessPattern())]), running(spec)
    for _ in range(20):
        managed.advance(3.0)
        unmanaged.advance(3.0)
        seen, alone = managed.snapshot(), unmanaged.snapshot()
        # pages of files are where they came from, and no host counts them
        in_files = managed.machine()["used_bytes"]["storage"]
        held = tenant_bytes(seen) + in_files
        assert held == pytest.approx(alone.resident_bytes, abs=2 * PAGE_BYTES)
        assert seen.swapped_bytes + in_files > 0
        assert alone.swapped_bytes == alone.major_faults == 0


@pytest.mark.parametrize("profile", [ZRAM, DISK, {"pool_share": 0.1}, {"swap_ratio": 0.2}])
def test_what_is_not_used_is_free(profile: dict[str, float]) -> None:
    host = running(steady_spec(0.2, 20.0, 0.02, profile), [page_out()])
    for _ in range(20):
        host.advance(2.0)
        s = host.snapshot()
        used = s.resident_bytes + s.compressed_bytes
        assert s.memory_free_bytes + used == pytest.approx(s.memory_total_bytes, abs=PAGE_BYTES)
        assert s.swap_free_bytes + s.swapped_bytes == pytest.approx(
            s.swap_total_bytes, abs=PAGE_BYTES
        )


@pytest.mark.parametrize(
    ("pool_share", "swap_ratio", "incompressible_share"),
    [(0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (0.1, 0.1, 0.0), (0.2, 0.05, 0.5)],
)
def test_pages_stay_where_no_tier_has_room(
    pool_share: float, swap_ratio: float, incompressible_share: float
) -> None:
    profile = {
        "pool_share": pool_share,
        "swap_ratio": swap_ratio,
        "incompressible_share": incompressible_share,
        "memory_ratio": 1.0,
    }
    host = running(cold_spec(profile), [page_out(AccessPattern())])
    host.advance(10.0)
    s = host.snapshot()
    pool = s.compressed_bytes * PROFILE["compression_ratio"]
    assert pool == pytest.approx(pool_share * FOOTPRINT_BYTES, rel=1e-4)
    assert s.swapped_bytes - pool == pytest.approx(swap_ratio * FOOTPRINT_BYTES, rel=1e-4, abs=99)
    assert s.resident_bytes == pytest.approx(FOOTPRINT_BYTES - s.swapped_bytes, abs=PAGE_BYTES)


def test_without_any_tier_nothing_leaves() -> None:
    bench = Bench(cold_spec({"pool_share": 0.0, "swap_ratio": 0.0}), [page_out()])
    truth = bench.step(10.0)
    assert truth["pages_out"] == 0
    assert truth["cost_byte_s"] == truth["cost_unmanaged_byte_s"]
    # as with the kernel, what was walked counts as applied
    assert bench.batch.snapshot(0)["scheme_stats"][0][3] > FOOTPRINT_BYTES


@pytest.mark.parametrize("tier", [ZRAM, DISK], ids=["zram", "disk"])
@pytest.mark.parametrize("rate_hz", [0.003, 0.05, 0.7])
def test_pages_come_back_as_they_are_accessed(rate_hz: float, tier: dict[str, float]) -> None:
    bench = Bench(steady_spec(1.0, rate_hz, 0.0, tier), [page_out(AccessPattern())])
    bench.step(0.1)
    bench.batch.set_schemes(0, [])
    out = bench.swapped_bytes()
    assert out > 0.98 * FOOTPRINT_BYTES
    faults, passed = 0.0, 0.0
    for seconds in (0.5, 1.0, 0.3, 7.2, 20.0):
        faults += bench.step(seconds)["faults"]
        passed += seconds
        left = out * math.exp(-rate_hz * passed)
        assert bench.swapped_bytes() == pytest.approx(left, rel=1e-3, abs=2 * PAGE_BYTES)
        assert faults * PAGE_BYTES == pytest.approx(out - bench.swapped_bytes(), rel=1e-4, abs=9)


@pytest.mark.parametrize("rate_hz", [0.003, 0.05, 0.7, 30.0])
@pytest.mark.parametrize("steps", [1, 4, 50])
def test_memory_is_paid_for_from_the_access_that_brings_it_back(
    rate_hz: float, steps: int
) -> None:
    bench = Bench(steady_spec(1.0, rate_hz, 0.0, ZRAM), [page_out(AccessPattern())])
    bench.step(0.1)
    bench.batch.set_schemes(0, [])
    out, seconds = bench.swapped_bytes(), 20.0
    resident = sum(bench.step(seconds / steps)["resident_byte_s"] for _ in range(steps))
    away = out * -math.expm1(-rate_hz * seconds) / rate_hz
    assert FOOTPRINT_BYTES * seconds - resident == pytest.approx(away, rel=1e-3)


@pytest.mark.parametrize(
    ("profile", "fault_us"), [(ZRAM, PROFILE["compressed_in_us"]), (DISK, PROFILE["swap_in_us"])]
)
def test_a_fault_stalls_for_what_it_costs(profile: dict[str, float], fault_us: float) -> None:
    bench = Bench(steady_spec(0.3, 20.0, 0.02, profile), [page_out(AccessPattern())])
    for _ in range(5):
        truth = bench.step(3.0)
        assert truth["faults"] > 0
        assert truth["stall_us"] == pytest.approx(truth["faults"] * fault_us)


def test_faults_of_both_tiers_lie_between_their_costs() -> None:
    profile = {"pool_share": 8.0, "incompressible_share": 0.5, "swap_ratio": 8.0}
    bench = Bench(steady_spec(1.0, 0.1, 0.0, profile), [page_out(AccessPattern())])
    truth = bench.step(5.0)
    mean_us = (PROFILE["compressed_in_us"] + PROFILE["swap_in_us"]) / 2
    assert truth["stall_us"] == pytest.approx(truth["faults"] * mean_us, rel=1e-3)


@pytest.mark.parametrize(
    ("profile", "price"),
    [(ZRAM, 1 / PROFILE["compression_ratio"]), (DISK, PROFILE["swap_price"])],
)
def test_memory_elsewhere_costs_its_price(profile: dict[str, float], price: float) -> None:
    bench = Bench(steady_spec(0.3, 20.0, 0.02, profile), [page_out()])
    for _ in range(5):
        truth = bench.step(3.0)
        away = truth["touched_byte_s"] - truth["resident_byte_s"]
        assert truth["cost_unmanaged_byte_s"] == truth["touched_byte_s"]
        assert truth["touched_byte_s"] == pytest.approx(3.0 * FOOTPRINT_BYTES)
        assert truth["cost_byte_s"] == pytest.approx(truth["resident_byte_s"] + price * away)


@pytest.mark.parametrize("family", _core.FAMILIES)
def test_no_management_saves_and_stalls_nothing(family: str) -> None:
    bench = Bench(_core.Spec(family), [Scheme(Action.STAT)])
    truth = bench.step(30.0)
    assert truth["cost_byte_s"] == pytest.approx(truth["cost_unmanaged_byte_s"], rel=1e-12)
    assert truth["stall_us"] == truth["faults"] == truth["pages_out"] == 0
    assert truth["interference_us"] > 0


def test_kdamond_disturbs_by_its_checks_and_page_outs() -> None:
    spec = cold_spec({"check_us": 0.0, "page_out_us": 7.0, "page_walk_us": 0.5})
    truth = Bench(spec, [page_out(AccessPattern(min_age=5))]).step(0.85)
    pages = FOOTPRINT_BYTES / PAGE_BYTES
    assert truth["pages_out"] == pytest.approx(pages, rel=1e-2)
    # the workload is in a random hour of its day, and uses at most its one CPU
    assert 0.4 * 7.5 * pages < truth["interference_us"] < 1.001 * 7.5 * pages


@pytest.mark.parametrize("visibility", [0.0, 0.3, 1.0])
def test_pressure_is_the_visible_part_of_stalls(visibility: float) -> None:
    profile = {**ZRAM, "pressure_visibility": visibility}
    bench = Bench(steady_spec(1.0, 0.05, 0.0, profile), [page_out(AccessPattern())])
    stall_us = bench.step(5.0)["stall_us"]
    assert 0 < stall_us < 5e6
    assert bench.batch.snapshot(0)["psi_some_us"] == pytest.approx(visibility * stall_us, abs=1)


def test_pressure_is_at_most_all_of_the_time() -> None:
    profile = {**DISK, "swap_in_us": 1e6}
    bench = Bench(steady_spec(1.0, 0.5, 0.0, profile), [page_out(AccessPattern())])
    for _ in range(3):
        assert bench.step(5.0)["stall_us"] > 5e6
    assert bench.batch.snapshot(0)["psi_some_us"] == 15_000_000


U64 = st.one_of(st.integers(0, 1000), st.integers(0, 2**64 - 1))
U32 = st.one_of(st.integers(0, 30), st.integers(0, 2**32 - 1))


def ordered(values: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(values, values).map(lambda pair: (min(pair), max(pair)))


@st.composite
def schemes(draw: st.DrawFn) -> Scheme:
    sizes, counts, ages = draw(ordered(U64)), draw(ordered(U32)), draw(ordered(U32))
    free = draw(st.integers(0, 1000))
    quota = Quota(*(draw(U64) for _ in range(3)), *(draw(U32) for _ in range(3)))
    narrow = AccessPattern(*sizes, *counts, *ages)
    return Scheme(
        draw(st.sampled_from(Action)),
        draw(st.sampled_from([AccessPattern(), AccessPattern(max_nr_accesses=0), narrow])),
        draw(st.sampled_from([Quota(), Quota(sz_bytes=MIB, reset_interval_ms=200), quota])),
        draw(
            st.sampled_from(
                [
                    Watermarks(),
                    Watermarks(WatermarkMetric.FREE_MEM_RATE, draw(U64) or 1, 1000, free, 0),
                    Watermarks(WatermarkMetric.FREE_MEM_RATE, 10_000, 600, 500, free // 2),
                ]
            )
        ),
        draw(st.sampled_from([0, 1, 5_000, 7_777, 250_000, 2**64 - 1])),
    )


def extreme_ranges(
    params: tuple[tuple[str, float, float, float, float, bool], ...],
) -> st.SearchStrategy[dict[str, tuple[float, float]]]:
    """Any parameter at its least, its most, or as it usually is."""
    values = {
        name: st.sampled_from([(low, high), (least, least), (most, most)])
        for name, low, high, least, most, _ in params
        if name != "footprint_bytes"
    }
    sizes = st.sampled_from([16 * MIB, 100 * MIB + 12_345, 2**40, 2**46])
    return st.fixed_dictionaries(
        {},
        optional={**values, "footprint_bytes": sizes.map(lambda size: (size, size))}
        if params is not _core.PROFILE
        else values,
    )


def check_snapshot(now: Snapshot, before: Snapshot) -> None:
    assert now.resident_bytes >= 0
    assert now.memory_free_bytes <= now.memory_total_bytes
    assert now.swap_free_bytes <= now.swap_total_bytes
    assert now.major_faults >= before.major_faults
    assert now.psi_some_us - before.psi_some_us <= now.time_us - before.time_us
    assert all(a.start < a.end <= b.start for a, b in pairwise(now.regions))
    assert all(
        region.nr_accesses <= now.intervals.samples_per_aggregation for region in now.regions
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data(), family=st.sampled_from(sorted(_core.FAMILIES)))
def test_any_host_under_any_schemes_stays_sane(data: st.DataObject, family: str) -> None:
    workload = data.draw(extreme_ranges(_core.FAMILIES[family]))
    spec = _core.Spec(family, workload, data.draw(extreme_ranges(_core.PROFILE)))
    attrs = MonitoringAttrs(max_nr_regions=60)
    first = data.draw(st.lists(schemes(), max_size=3))
    host = running(spec, first, seed=data.draw(U64), attrs=attrs)
    before = host.snapshot()
    for _ in range(3):
        host.advance(data.draw(st.sampled_from([0.0, 0.001, 0.5, 2.513])))
        now = host.snapshot()
        check_snapshot(now, before)
        before = now
        host.apply(data.draw(st.lists(schemes(), max_size=3)))


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    family=st.sampled_from(sorted(_core.FAMILIES)),
    seed=st.integers(0, 2**64 - 1),
    budget=st.floats(1e-6, 1.0),
)
def test_any_decisions_on_any_host_give_finite_numbers(
    data: st.DataObject, family: str, seed: int, budget: float
) -> None:
    batch = _core.Batch(1, 1, 5_000, 100_000, 10, 200)
    workload = data.draw(extreme_ranges(_core.FAMILIES[family]))
    batch.reset(
        0, _core.Spec(family, workload, data.draw(extreme_ranges(_core.PROFILE))), seed, budget
    )
    observation = array("f", bytes(4 * RECLAIM.nr_features))
    truth = array("d", bytes(8 * len(_core.TRUTH_NAMES)))
    action = st.lists(st.floats(width=32), min_size=RECLAIM.nr_knobs, max_size=RECLAIM.nr_knobs)
    for _ in range(4):
        batch.step(array("f", data.draw(action)), 1_250_000, observation, truth)
        row = dict(zip(_core.TRUTH_NAMES, truth, strict=True))
        assert all(math.isfinite(value) for value in truth)
        assert all(-1.0 <= value <= 1.0 for value in observation)
        # lost_us may be negative where huge pages win time
        assert (
            min(v for k, v in row.items() if "lost" not in k and "huge" not in k)
            >= -1e-6 * (row["cost_unmanaged_byte_s"])
        )
        drawn = batch.parameters(0)
        if drawn["thp_mode"] < 1 and drawn["memory_ratio"] >= 1.1 and drawn["clock_cap"] == 1.0:
            # page-out alone cannot cost memory
            assert row["cost_byte_s"] <= row["cost_unmanaged_byte_s"] * (1 + 1e-6)
