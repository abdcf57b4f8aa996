"""Huge pages: bloat, one accessed bit for 2 MiB, faster translation, khugepaged, splits."""

from __future__ import annotations

import math

import pytest

from damon_tuner.kernel_iface.host import Action, Scheme

from .helpers import (
    FOOTPRINT_BYTES,
    MIB,
    PAGE_BYTES,
    Bench,
    cold_spec,
    fixed_spec,
    mapped,
    page_out,
    running,
    steady_spec,
)

MADVISE, ALWAYS = {"thp_mode": 1.0, "check_us": 0.0}, {"thp_mode": 2.0, "check_us": 0.0}
NEVER = {"thp_mode": 0.0, "check_us": 0.0}
PAGES_PER_HUGE_PAGE = 512


def huge_bytes(bench: Bench) -> float:
    return bench.step(0.001)["huge_byte_s"] / 0.001


@pytest.mark.parametrize(("profile", "share"), [(NEVER, 0), (MADVISE, 0), (ALWAYS, 1)])
def test_first_touch_follows_the_mode(profile: dict[str, float], share: float) -> None:
    bench = Bench(steady_spec(1.0, 1.0, 0.0, profile))
    assert huge_bytes(bench) == pytest.approx(share * FOOTPRINT_BYTES)


def test_faster_translation_wins_time() -> None:
    truth = Bench(steady_spec(1.0, 1.0, 0.0, ALWAYS)).step(5.0)
    assert truth["lost_us"] == pytest.approx(-0.05 * truth["busy_us"], rel=1e-6)
    assert truth["lost_us"] == truth["lost_unmanaged_us"]


SPARSE = {"filled_share": 0.4, "touched_share": 1.0, "kernel_share": 0.01}


def test_sparsely_touched_memory_bloats() -> None:
    bloated = Bench(fixed_spec("idle_vm", SPARSE, ALWAYS)).step(5.0)
    plain = Bench(fixed_spec("idle_vm", SPARSE, NEVER)).step(5.0)
    assert bloated["touched_byte_s"] == pytest.approx(plain["touched_byte_s"])
    assert plain["resident_byte_s"] == pytest.approx(plain["touched_byte_s"])
    assert bloated["resident_byte_s"] > 1.3 * bloated["touched_byte_s"]


@pytest.mark.parametrize("rate_hz", [0.02, 0.1, 0.6])
@pytest.mark.parametrize("profile", [NEVER, ALWAYS], ids=["small", "huge"])
def test_one_bit_is_seen_for_all_of_a_huge_page(profile: dict[str, float], rate_hz: float) -> None:
    host = running(steady_spec(1.0, rate_hz, 0.0, profile))
    pages = PAGES_PER_HUGE_PAGE if profile is ALWAYS else 1
    expected = 20 * -math.expm1(-rate_hz * pages * 0.005)
    seen = []
    for _ in range(300):
        host.advance(0.2)
        regions = mapped(host.snapshot())
        size = sum(r.end - r.start for r in regions)
        seen.append(sum((r.end - r.start) * r.nr_accesses for r in regions) / size)
    # merging regions takes integer means, which are smaller
    assert expected - 0.6 < sum(seen) / len(seen) < 1.05 * expected + 0.03


def test_khugepaged_makes_huge_pages_where_it_was_advised_to() -> None:
    spec = cold_spec({**MADVISE, "khugepaged_pages_per_s": 4096.0})
    bench = Bench(spec)
    bench.step(5.0)
    assert huge_bytes(bench) == 0
    bench.batch.set_schemes(0, [Scheme(Action.HUGEPAGE)])
    bench.step(10.0)
    made = huge_bytes(bench)
    assert made == pytest.approx(10 * 4096 * PAGE_BYTES, rel=0.2)
    bench.batch.set_schemes(0, [Scheme(Action.NOHUGEPAGE)])
    bench.step(10.0)
    # what is there stays, no more come
    assert made <= huge_bytes(bench) <= made + 4096 * PAGE_BYTES


def test_khugepaged_takes_time() -> None:
    quick, slow = (
        Bench(
            cold_spec({**MADVISE, "khugepaged_pages_per_s": 1e6, "collapse_us": us}),
            [Scheme(Action.HUGEPAGE)],
        )
        for us in (10.0, 1000.0)
    )
    assert slow.step(5.0)["interference_us"] > 10 * quick.step(5.0)["interference_us"] > 0


def test_collapse_needs_no_khugepaged_and_respects_advice() -> None:
    bench = Bench(cold_spec(NEVER), [Scheme(Action.COLLAPSE)])
    assert bench.step(1.0)["interference_us"] > 0
    assert huge_bytes(bench) == pytest.approx(FOOTPRINT_BYTES, rel=1e-5)
    advised = Bench(cold_spec(NEVER), [Scheme(Action.NOHUGEPAGE), Scheme(Action.COLLAPSE)])
    advised.step(1.0)
    assert huge_bytes(advised) == 0


def test_collapse_is_bounded_by_room() -> None:
    profile = {**NEVER, "memory_ratio": 0.65, "low_wmark_permille": 5.0}
    bench = Bench(fixed_spec("idle_vm", SPARSE, profile), [Scheme(Action.COLLAPSE)])
    bench.step(5.0)
    machine = bench.batch.machine(0)
    assert 0 < huge_bytes(bench) < FOOTPRINT_BYTES
    assert machine["used_bytes"]["fast"] <= machine["fast_bytes"]


def test_page_out_splits_and_drops_the_bloat() -> None:
    bench = Bench(fixed_spec("idle_vm", {**SPARSE, "hot_rate_hz": 0.0}, ALWAYS), [page_out()])
    bench.step(5.0)
    assert huge_bytes(bench) < 0.02 * FOOTPRINT_BYTES
    sizes = bench.batch.machine(0)["used_bytes"]
    touched = bench.step(1.0)["touched_byte_s"]
    assert sum(sizes.values()) == pytest.approx(touched, rel=0.01, abs=4 * MIB)


def test_files_have_no_huge_pages() -> None:
    bench = Bench(fixed_spec("ml_epochs", {"weights_share": 0.1}, ALWAYS))
    assert 0 < huge_bytes(bench) < 0.5 * FOOTPRINT_BYTES


def test_a_host_with_huge_pages_is_compared_with_one_that_has_them() -> None:
    truth = Bench(fixed_spec("idle_vm", SPARSE, ALWAYS)).step(5.0)
    assert truth["cost_byte_s"] == truth["cost_unmanaged_byte_s"]
