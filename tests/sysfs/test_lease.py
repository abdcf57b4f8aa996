"""The lease: what schemes may walk to, played against a kernel that counts their walks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from damon_tuner.kernel_iface.host import Action, Intervals, Scheme, SchemeStats
from damon_tuner.kernel_iface.sysfs.lease import Lease

INTERVALS = Intervals(5_000, 100_000, 60_000_000)
PAGEOUT = Scheme(Action.PAGEOUT)
NOMINAL = 10.0
"""Walks a second where each ends: one an aggregation interval."""


def play(
    walks_per_s: Callable[[float], float], seconds: float, step_s: float = 5.0
) -> tuple[float, float, int]:
    """Run one scheme under a lease of 60 s, and then nobody renews it.

    Returns how long it stood still while its owner was alive, how long it went on afterwards,
    and how often it was renewed.
    """
    lease, tick_s = Lease(60.0), 0.1
    (scheme,) = lease.granted([PAGEOUT], INTERVALS, 0)
    now_s, count, idle_s, renewals = 0.0, 0.0, 0.0, 0

    def tick() -> bool:
        nonlocal now_s, count
        now_s += tick_s
        if int(count) >= scheme.max_nr_snapshots:
            return False
        count += walks_per_s(now_s) * tick_s
        return True

    while now_s < seconds:
        for _ in range(round(step_s / tick_s)):
            idle_s += 0.0 if tick() else tick_s
        lease.observe([SchemeStats(nr_snapshots=int(count))], int(now_s * 1e6))
        before = scheme
        (scheme,) = lease.granted([PAGEOUT], INTERVALS, int(now_s * 1e6))
        renewals += scheme != before
    died_s = now_s
    while tick() and now_s < died_s + 10_000:
        pass
    return idle_s, now_s - died_s, renewals


@pytest.mark.parametrize("seconds", [10, 15, 25, 30, 45, 100, 333, 1_000])
def test_a_scheme_whose_walks_end_stops_within_the_lease(seconds: float) -> None:
    idle_s, after_s, renewals = play(lambda now_s: NOMINAL, seconds)
    assert idle_s == 0.0
    assert 39.0 <= after_s <= 60.2
    assert renewals <= 2 + seconds / 20


@pytest.mark.parametrize("walks_per_s", [1.0, 0.2, 0.05])
def test_slower_walks_are_granted_what_they_do(walks_per_s: float) -> None:
    idle_s, after_s, _ = play(lambda now_s: walks_per_s, 300)
    assert idle_s <= 5.0
    assert 0.0 < after_s <= 60.0 + 2 / walks_per_s


@pytest.mark.parametrize("seconds", [300, 500, 505, 1_000, 1_020, 1_999])
def test_a_walk_that_hardly_ever_ends_is_the_last(seconds: float) -> None:
    _, after_s, _ = play(lambda now_s: 1 / 500, seconds)
    assert after_s <= 501


def test_a_scheme_that_becomes_busy_again_recovers_in_a_few_renewals() -> None:
    quiet_until_s = 300.0
    idle_s, after_s, _ = play(lambda now_s: NOMINAL if now_s > quiet_until_s else 0.0, 600)
    assert 0.0 < idle_s <= 25.0
    assert after_s <= 60.2


def test_monitoring_that_starts_anew_counts_anew() -> None:
    lease = Lease(60.0)
    lease.granted([PAGEOUT], INTERVALS, 0)
    for now_s, count in ((5, 50), (10, 100), (35, 20), (40, 70)):
        lease.observe([SchemeStats(nr_snapshots=count)], now_s * 1_000_000)
        (scheme,) = lease.granted([PAGEOUT], INTERVALS, now_s * 1_000_000)
    assert 70 < scheme.max_nr_snapshots <= 700


def test_a_first_grant_is_the_nominal_one_of_each_scheme() -> None:
    schemes = [PAGEOUT, replace(PAGEOUT, apply_interval_us=1_000_000), Scheme(Action.STAT)]
    granted = Lease(60.0).granted(schemes, INTERVALS, 0, nr_targets=2)
    assert [scheme.max_nr_snapshots for scheme in granted] == [1_200, 120, 0]


def test_a_lower_limit_of_its_own_stays() -> None:
    limited = replace(PAGEOUT, max_nr_snapshots=7)
    (scheme,) = Lease(60.0).granted([limited], INTERVALS, 0)
    assert scheme.max_nr_snapshots == 7


def test_a_lease_is_overdue_after_two_thirds_of_it() -> None:
    lease = Lease(60.0)
    assert not lease.is_overdue(10**9)
    lease.granted([PAGEOUT], INTERVALS, 0)
    assert not lease.is_overdue(39_000_000)
    assert lease.is_overdue(41_000_000)


def test_schemes_come_and_go() -> None:
    lease = Lease(60.0)
    lease.granted([PAGEOUT, PAGEOUT], INTERVALS, 0)
    lease.observe([SchemeStats(nr_snapshots=5)] * 2, 1_000_000)
    assert len(lease.granted([PAGEOUT], INTERVALS, 2_000_000)) == 1
    lease.observe([SchemeStats(nr_snapshots=9)], 3_000_000)
    assert len(lease.granted([PAGEOUT] * 3, INTERVALS, 4_000_000)) == 3
