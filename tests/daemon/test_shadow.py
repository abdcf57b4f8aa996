"""Acting on paper: what would be out, what would come back, and what that would cost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.daemon.shadow import ShadowAccount
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Intervals,
    Quota,
    Region,
    Scheme,
    Snapshot,
    WatermarkMetric,
    Watermarks,
)
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import MONITORING
from damon_tuner.policies.rules import STATIC_POLICIES

MIB = 1 << 20
COLD = AccessPattern(min_sz_bytes=4096, max_nr_accesses=0, min_age=20)


def snapshot(time_s: float, regions: Sequence[Region], resident: int = 64 * MIB) -> Snapshot:
    return Snapshot(
        time_us=int(time_s * 1e6),
        intervals=Intervals(),
        regions=tuple(regions),
        scheme_stats=(),
        resident_bytes=resident,
        swapped_bytes=0,
        compressed_bytes=0,
        memory_total_bytes=512 * MIB,
        memory_free_bytes=100 * MIB,
        swap_total_bytes=512 * MIB,
        swap_free_bytes=512 * MIB,
        major_faults=7,
        cpu_time_us=0,
        psi_some_us=0,
        swap_in_us=20.0,
    )


HALF_IDLE = (Region(0, 32 * MIB, 0, 500), Region(32 * MIB, 64 * MIB, 20, 500))


@pytest.fixture(autouse=True)
def nothing_unseen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes back without being seen has tests of its own."""
    if "unseen" not in request.node.name and "simulator" not in request.node.name:
        monkeypatch.setattr("damon_tuner.daemon.shadow._UNSEEN", 0.0)


def account(scheme: Scheme, *snapshots: Snapshot) -> Snapshot:
    shadow = ShadowAccount(readahead_pages=1)
    for each in snapshots:
        seen = shadow.seen(each)
        shadow.decide([scheme])
    return seen


def test_idle_memory_goes_out_and_hot_memory_stays():
    seen = account(Scheme(Action.PAGEOUT, COLD), snapshot(0, HALF_IDLE), snapshot(5, HALF_IDLE))
    assert seen.swapped_bytes == 32 * MIB
    assert seen.resident_bytes == 32 * MIB
    assert seen.major_faults == 7
    assert seen.compressed_bytes == 32 * MIB // 3
    assert seen.scheme_stats[0].sz_tried_bytes == 32 * MIB


def test_nothing_is_out_before_a_scheme_could_have_run():
    seen = account(Scheme(Action.PAGEOUT, COLD), snapshot(0, HALF_IDLE))
    assert seen == snapshot(0, HALF_IDLE)


def test_a_quota_bounds_what_goes_out():
    scheme = Scheme(Action.PAGEOUT, COLD, Quota(sz_bytes=MIB, reset_interval_ms=1_000))
    seen = account(scheme, snapshot(0, HALF_IDLE), snapshot(5, HALF_IDLE))
    assert seen.swapped_bytes == 5 * MIB


def test_what_is_accessed_again_comes_back_with_a_fault_a_page():
    scheme = Scheme(Action.PAGEOUT, COLD)
    woken = (Region(0, 8 * MIB, 1, 0), Region(8 * MIB, 32 * MIB, 0, 600), HALF_IDLE[1])
    seen = account(scheme, *(snapshot(5.0 * k, HALF_IDLE) for k in range(3)), snapshot(15, woken))
    assert seen.swapped_bytes == 24 * MIB
    assert seen.major_faults == 7 + 8 * MIB // 4096
    assert seen.swap_ins == 8 * MIB // 4096


def test_what_was_accessed_between_two_looks_came_back_too():
    scheme = Scheme(Action.PAGEOUT, COLD)
    touched = (Region(0, 32 * MIB, 0, 10), HALF_IDLE[1])
    seen = account(scheme, snapshot(0, HALF_IDLE), snapshot(5, HALF_IDLE), snapshot(10, touched))
    assert seen.swapped_bytes == 0
    assert seen.major_faults == 7 + 32 * MIB // 4096


def test_one_fault_brings_its_neighbours_along():
    woken = (Region(0, 32 * MIB, 1, 0), HALF_IDLE[1])
    shadow = ShadowAccount(readahead_pages=8)
    for each in (snapshot(0, HALF_IDLE), snapshot(5, HALF_IDLE), snapshot(10, woken)):
        seen = shadow.seen(each)
        shadow.decide([Scheme(Action.PAGEOUT, COLD)])
    assert seen.major_faults == 7 + 32 * MIB // 4096 // 8


def test_some_of_it_comes_back_unseen_and_goes_out_again():
    shadow, swapped, faults = ShadowAccount(), [], []
    for number in range(60):
        idle_s = 50 + 5 * number
        regions = (Region(0, 32 * MIB, 0, idle_s * 10), HALF_IDLE[1])
        seen = shadow.seen(snapshot(5.0 * number, regions))
        swapped.append(seen.swapped_bytes)
        faults.append(seen.major_faults)
        shadow.decide([Scheme(Action.PAGEOUT, COLD)])
    assert 16 * MIB < swapped[2] < 32 * MIB
    # the longer it was idle, the less of it comes back
    assert swapped[-1] > swapped[2]
    assert faults[4] - faults[3] > faults[59] - faults[58] > 0


def test_addresses_without_memory_save_nothing():
    gap = (Region(0, 960 * MIB, 0, 500), Region(960 * MIB, 992 * MIB, 20, 500))
    seen = account(Scheme(Action.PAGEOUT, COLD), snapshot(0, gap), snapshot(5, gap))
    assert seen.swapped_bytes == pytest.approx(32 * MIB, rel=1e-6)


def test_other_actions_and_sleeping_schemes_page_nothing_out():
    asleep = Watermarks(WatermarkMetric.FREE_MEM_RATE, 5_000_000, 100, 80, 50)
    for scheme in (Scheme(Action.COLD, COLD), Scheme(Action.PAGEOUT, COLD, watermarks=asleep)):
        seen = account(scheme, snapshot(0, HALF_IDLE), snapshot(5, HALF_IDLE))
        assert seen.swapped_bytes == 0


REGIONS = st.lists(
    st.tuples(st.integers(1, 64), st.integers(0, 20), st.integers(0, 200)), min_size=1, max_size=30
)


@given(st.lists(REGIONS, min_size=1, max_size=12))
def test_whatever_is_seen_the_account_balances(rounds):
    shadow, faults = ShadowAccount(), 0
    for number, drawn in enumerate(rounds):
        at, regions = 0, []
        for size, nr_accesses, age in drawn:
            regions.append(Region(at, at + size * MIB, nr_accesses, age))
            at += size * MIB
        real = snapshot(5.0 * number, regions)
        seen = shadow.seen(real)
        assert seen.resident_bytes + seen.swapped_bytes == real.resident_bytes
        assert 0 <= seen.swapped_bytes <= real.resident_bytes
        assert seen.major_faults >= faults
        faults = seen.major_faults
        shadow.decide([Scheme(Action.PAGEOUT, COLD)])


@pytest.mark.parametrize("family", ["phases", "idle", "kv"])
def test_on_paper_as_in_the_simulator(family):
    """The account of one run, beside a run of the same load in which the scheme really ran."""
    policy = STATIC_POLICIES["pageout_30s"]
    acted = SimHost(_core.Spec(family), seed=3, attrs=MONITORING)
    watched = SimHost(_core.Spec(family), seed=3, attrs=MONITORING)
    acted.start(policy.schemes)
    watched.start(())
    shadow, real, paper = ShadowAccount(), [], []
    for _ in range(60):
        acted.advance(5.0)
        watched.advance(5.0)
        real.append(acted.snapshot())
        paper.append(shadow.seen(watched.snapshot()))
        shadow.decide(policy.schemes)
    swapped = [sum(s.swapped_bytes for s in run[20:]) / 40 for run in (real, paper)]
    total = real[-1].resident_bytes + real[-1].swapped_bytes
    assert swapped[1] / total == pytest.approx(swapped[0] / total, abs=0.2)
