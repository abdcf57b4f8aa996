"""The group adaptive: what came back after how long, and what page-out the budget bears."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.kernel_iface.host import Region, Snapshot
from damon_tuner.policies.schema import DEFAULT_GROUPS, schema_of

from .test_decision_path import snapshot

GIB = 1 << 30
SCHEMA = schema_of(DEFAULT_GROUPS)
STEP_S = 5.0
PAGE_BYTES = 4096


def at(seconds: float, **changes: object) -> Snapshot:
    """A load that uses one CPU."""
    us = round(seconds * 1e6)
    return snapshot(time_us=us, **{"cpu_time_us": us, **changes})


def observe(decider: _core.Decider, seen: Snapshot) -> dict[str, float]:
    observation = array("f", bytes(4 * SCHEMA.nr_features))
    decider.observe(seen, observation)
    return dict(zip(SCHEMA.observation_names, observation, strict=True))


def act(decider: _core.Decider, age: float, quota: float) -> dict[str, float]:
    decider.act(array("f", (age, quota)))
    return decider.knobs()


def new(budget: float = 0.02) -> _core.Decider:
    return _core.Decider(budget, groups=DEFAULT_GROUPS)


def halves(accesses: int, age: int) -> tuple[Region, ...]:
    """The first half of a GiB, and another that is always hot."""
    return (
        Region(0, GIB // 2, nr_accesses=accesses, age=age),
        Region(GIB // 2, GIB, nr_accesses=20, age=3),
    )


def idle_then_used(decider: _core.Decider, idle_s: int, accesses: int = 20) -> dict[str, float]:
    """The first half has no access for so long, and then has."""
    for second in range(0, idle_s + 1, int(STEP_S)):
        observe(decider, at(second, regions=halves(0, second * 10)))
    return observe(decider, at(idle_s + STEP_S, regions=halves(accesses, 0)))


def test_what_comes_back_counts_for_every_age_that_it_had_reached() -> None:
    seen = idle_then_used(new(), 60)
    for age in (10, 20, 40):
        # half a GiB at 50 us a page is seconds of faults
        assert seen[f"return_most_{age}s"] > 0.3
        assert seen[f"return_over_{age}s"] == pytest.approx(STEP_S / 65.0)
    for age in (80, 160, 320):
        assert seen[f"return_most_{age}s"] == -1.0
        assert seen[f"return_over_{age}s"] == 0.0


def test_a_region_that_is_hardly_accessed_counts_for_less_at_the_least() -> None:
    little, much = idle_then_used(new(), 60, accesses=1), idle_then_used(new(), 60)
    assert little["return_most_20s"] == much["return_most_20s"]
    assert little["return_least_20s"] < much["return_least_20s"] == much["return_most_20s"]


def test_memory_that_stays_in_use_or_stays_idle_does_not_come_back() -> None:
    decider = new()
    for second in range(0, 400, 5):
        seen = observe(decider, at(second, regions=halves(0, second * 10)))
    assert {value for name, value in seen.items() if name.startswith("return_most")} == {-1.0}


def test_an_age_that_a_scheme_has_reset_is_no_access() -> None:
    """Acting on a region makes it young: page-out of what is idle must not look like a return."""
    decider = new()
    for second in range(0, 105, 5):
        # page-out after 20 s, so that the age never gets beyond it
        seen = observe(decider, at(second, regions=halves(0, second * 10 % 250)))
        act(decider, age=-0.28, quota=0.0)
    assert 15.0 < decider.knobs()["min_age_s"] < 25.0
    assert seen["return_most_40s"] == -1.0
    # and it is known for how long that was idle, when it is used at last
    seen = observe(decider, at(105, regions=halves(20, 0)))
    assert seen["return_most_80s"] > 0.2 and seen["return_most_160s"] == -1.0


def test_without_any_page_out_yet_the_budget_bears_what_may_all_come_back() -> None:
    decider = new(budget=0.02)
    for second in (0.0, 5.0, 10.0):
        observe(decider, at(second))
    # a CPU works; 2 % of it at 50 us a fault are 400 faults a second
    assert act(decider, 0.0, 0.0)["quota_bytes_per_s"] == pytest.approx(400 * PAGE_BYTES, rel=1e-3)
    assert act(decider, 0.0, 0.5)["quota_bytes_per_s"] == pytest.approx(
        4000 * PAGE_BYTES, rel=1e-3
    )


@given(st.floats(0.001, 0.2), st.floats(1.0, 500.0))
def test_what_is_bearable_follows_budget_and_cost(budget: float, swap_in_us: float) -> None:
    decider = new(budget)
    for second in (0.0, 5.0):
        observe(decider, at(second, swap_in_us=swap_in_us))
    quota = act(decider, 0.0, 0.0)["quota_bytes_per_s"]
    assert quota == pytest.approx(budget * 1e6 / swap_in_us * PAGE_BYTES, rel=1e-3)


def paging_out(decider: _core.Decider, faults_a_step: int) -> float:
    """40 MiB go out in each of ten steps, and so many faults come of it; the quota it then has."""
    faults = 0
    for step in range(11):
        seen = at(
            STEP_S * step,
            resident_bytes=GIB - step * 40 * 2**20,
            swapped_bytes=step * 40 * 2**20,
            major_faults=faults,
            swap_ins=faults,
        )
        observe(decider, seen)
        faults += faults_a_step
    return act(decider, 0.0, 0.0)["quota_bytes_per_s"]


def test_the_less_comes_back_the_more_may_go() -> None:
    none, some, many = (paging_out(new(), faults) for faults in (0, 500, 1_500))
    assert none > 2 * some > 0.0
    assert some > many


def test_over_the_budget_nothing_is_bearable() -> None:
    assert paging_out(new(), 10_000) == PAGE_BYTES


def test_faults_from_a_disk_cost_what_the_disk_does() -> None:
    fields = {"major_faults": 1_000, "swap_in_us": 5.0, "disk_in_us": 100.0}
    costs = {}
    for name, more in {
        "zram": {"swap_ins": 1_000},
        "half on a disk": {"swap_ins": 1_000, "disk_swapped_share": 0.5},
        "files": {"swap_ins": 0},
        "not known": {"swap_ins": 0, "disk_in_us": 0.0},
    }.items():
        decider = new()
        observe(decider, at(0.0))
        observe(decider, at(STEP_S, **{**fields, **more}))
        costs[name] = decider.rates()["slowdown"] * STEP_S * 1e3
    assert costs == pytest.approx(
        {"zram": 5.0, "half on a disk": 52.5, "files": 100.0, "not known": 5.0}
    )


def test_what_damon_takes_of_busy_cpus_is_no_breach() -> None:
    """Monitoring goes on whatever is decided: it must not stop page-out of an idle load."""
    decider = new()
    observe(decider, at(0.0))
    observe(decider, at(STEP_S, competing_us=500_000))
    assert decider.rates()["slowdown"] == 0.0


def test_the_budget_may_be_of_all_the_time() -> None:
    """A load that works a twentieth of the time, and takes 100 faults of 50 us in an interval."""
    slowdown, quota = {}, {}
    for share in (0.01, 1.0):
        decider = _core.Decider(0.02, groups=DEFAULT_GROUPS, min_worked_share=share)
        observe(decider, at(0.0, cpu_time_us=0))
        worked_us = round(0.05 * STEP_S * 1e6)
        observe(decider, at(STEP_S, cpu_time_us=worked_us, major_faults=100))
        slowdown[share] = decider.rates()["slowdown"]
        quota[share] = act(decider, 0.0, 0.0)["quota_bytes_per_s"]
    assert slowdown[0.01] == pytest.approx(5_000 / (0.05 * STEP_S * 1e6))
    assert slowdown[1.0] == pytest.approx(5_000 / (STEP_S * 1e6))
    assert quota[1.0] > 10 * quota[0.01]


def test_of_what_the_budget_is_can_change() -> None:
    decider = new()
    decider.set_budget(0.02, min_worked_share=1.0)
    observe(decider, at(0.0, cpu_time_us=0))
    observe(decider, at(STEP_S, cpu_time_us=0, major_faults=100))
    assert decider.rates()["slowdown"] == pytest.approx(0.005 / STEP_S)
    for share in (0.0, 0.005, 1.5, float("nan")):
        with pytest.raises(ValueError, match="min_worked_share"):
            decider.set_budget(0.02, min_worked_share=share)
        with pytest.raises(ValueError, match="min_worked_share"):
            _core.Decider(0.02, min_worked_share=share)


def test_how_much_a_load_works_is_seen() -> None:
    seen = []
    for cpus in (0.0, 0.01, 0.5, 16.0, 64.0):
        decider = new()
        observe(decider, at(0.0, cpu_time_us=0))
        after = at(STEP_S, cpu_time_us=round(cpus * STEP_S * 1e6))
        seen.append(observe(decider, after)["worked_share_log"])
    assert seen == pytest.approx([-1.0, -1.0, 0.06, 1.0, 1.0], abs=0.01)


@pytest.mark.parametrize(
    "changes", [{"disk_in_us": -1.0}, {"disk_in_us": float("nan")}, {"disk_swapped_share": 1.5}]
)
def test_impossible_costs_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        observe(new(), replace(at(0.0), **changes))


def test_regions_in_any_order_and_number_are_borne() -> None:
    decider = new()
    regions = tuple(
        Region(i * PAGE_BYTES, (i + 1) * PAGE_BYTES, nr_accesses=i % 3, age=i) for i in range(700)
    )
    for second, of_now in enumerate((regions, regions[::-1], regions[:1], ())):
        seen = observe(decider, at(second * STEP_S, regions=of_now))
        assert all(-1.0 <= value <= 1.0 for value in seen.values())
