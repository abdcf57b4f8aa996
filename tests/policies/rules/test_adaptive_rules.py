"""What adaptive rules make of what they see, and of nothing else."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import replace

import pytest

from damon_tuner.kernel_iface.host import Scheme, Snapshot
from damon_tuner.policies.decision import Policy
from damon_tuner.policies.rules import RULES, AdaptiveRule
from damon_tuner.policies.rules.cold_age_percentile import ColdAgePercentile
from damon_tuner.policies.rules.moving_averages import MovingAverages
from damon_tuner.policies.rules.senpai import Senpai

from ..snapshots import GIB, MIB, snapshot

ADAPTIVE = [name for name, rule in RULES.items() if isinstance(rule, AdaptiveRule)]


def seen(at_s: float, regions: Iterable[tuple[int, int, int, int]], **more: int) -> Snapshot:
    shown = snapshot(at_s, regions)
    return replace(shown, cpu_time_us=round(at_s * 1e6), **more)  # type: ignore[arg-type]


def idle_and_hot(at_s: float, **more: int) -> Snapshot:
    """Half of a GiB idle since the beginning, half in use."""
    age = round(at_s * 10)
    return seen(at_s, [(0, GIB // 2, 0, age), (GIB // 2, GIB, 20, age)], **more)


def page_out(policy: Policy, shown: Snapshot) -> Scheme | None:
    schemes = policy.decide(shown).schemes
    return schemes[0] if schemes else None


# ---- senpai ----


def quota_bytes(pressure: float) -> int:
    policy = Senpai().policy(0.02)
    assert page_out(policy, idle_and_hot(0.0)) is None
    scheme = page_out(policy, idle_and_hot(5.0, psi_some_us=round(5e6 * pressure)))
    return scheme.quota.sz_bytes if scheme else 0


def test_senpai_takes_its_ratio_every_six_seconds_where_nothing_stalls() -> None:
    assert quota_bytes(0.0) == int(0.0005 * GIB / 6.0)


def test_senpai_takes_less_under_pressure_and_nothing_from_the_threshold_on() -> None:
    amounts = [quota_bytes(pressure) for pressure in (0.0, 0.0003, 0.0006, 0.001, 0.1)]
    assert amounts == sorted(amounts, reverse=True)
    assert amounts[1] == pytest.approx(0.7 * amounts[0], rel=1e-3)
    assert amounts[3] == amounts[4] == 0


def test_senpai_never_takes_more_than_its_share_of_memory() -> None:
    policy = Senpai(ratio=0.5).policy(0.02)
    policy.decide(idle_and_hot(0.0))
    scheme = page_out(policy, idle_and_hot(5.0))
    assert scheme is not None
    assert scheme.quota.sz_bytes == int(0.01 * GIB / 6.0)


# ---- the cold-age controller ----


def drive(rule: AdaptiveRule, shown: Iterable[Snapshot]) -> list[Scheme | None]:
    policy = rule.policy(0.02)
    return [page_out(policy, one) for one in shown]


def test_the_controller_waits_for_its_warm_up_and_takes_the_least_age_where_nothing_returns() -> (
    None
):
    schemes = drive(ColdAgePercentile(), (idle_and_hot(5.0 * k) for k in range(40)))
    assert all(scheme is None for scheme in schemes[:24])
    assert schemes[24] is not None
    assert schemes[24].pattern.min_age == 1_200
    assert schemes[24].pattern.max_nr_accesses == 0


def returning(period_s: float, until_s: float) -> list[Snapshot]:
    """A quarter of the memory is accessed every ``period_s`` seconds, for five of them."""
    shown = []
    for k in range(round(until_s / 5)):
        at_s, age = 5.0 * k, 10 * 5 * k
        now_s = at_s % period_s
        nr, since = (10, 50) if now_s < 5.0 else (0, round(10 * (now_s - 5.0)))
        regions = [
            (0, GIB // 4, nr, since),
            (GIB // 4, GIB // 2, 0, age),
            (GIB // 2, GIB, 20, age),
        ]
        shown.append(seen(at_s, regions))
    return shown


def test_the_controller_backs_off_to_ages_beyond_which_nothing_returns() -> None:
    rule = ColdAgePercentile(min_age_s=10.0, warmup_s=60.0)
    last = drive(rule, returning(period_s=60.0, until_s=400.0))[-1]
    still = drive(rule, (idle_and_hot(5.0 * k) for k in range(80)))[-1]
    assert last is not None and still is not None
    assert still.pattern.min_age == 100
    # it was idle for nearly a minute each time
    assert 450 <= last.pattern.min_age <= 650


def test_the_controller_answers_at_once_and_forgets_by_its_percentile() -> None:
    quiet = [idle_and_hot(5.0 * k) for k in range(60)]
    # once, after 280 s of rest, all that was idle is accessed; from then on it rests again
    back = [
        seen(300.0 + 5.0 * k, [(0, GIB // 2, 20 if k < 2 else 0, 50 * k), (GIB // 2, GIB, 20, 0)])
        for k in range(1, 40)
    ]
    median = ColdAgePercentile(min_age_s=10.0, warmup_s=60.0, percentile=50.0)
    ages = [s.pattern.min_age for s in drive(median, [*quiet, *back]) if s is not None]
    assert min(ages) == 100
    assert max(ages) > 2_000
    assert ages[-1] == 100
    strict = replace(median, percentile=100.0)
    assert drive(strict, [*quiet, *back])[-1].pattern.min_age == max(ages)  # type: ignore[union-attr]


def test_a_higher_promotion_rate_allows_younger_ages() -> None:
    ages = []
    for rate in (0.002, 10.0):
        rule = ColdAgePercentile(min_age_s=10.0, warmup_s=60.0, promotion_rate_per_min=rate)
        last = drive(rule, returning(period_s=60.0, until_s=400.0))[-1]
        assert last is not None
        ages.append(last.pattern.min_age)
    assert ages[1] == 100 < ages[0]


# ---- moving averages ----


def min_age(budget: float, faults_per_s: int = 0, until_s: float = 300.0) -> float:
    policy = MovingAverages().policy(budget)
    regions = [(k * 64 * MIB, (k + 1) * 64 * MIB, 0, 40 * k) for k in range(16)]
    last = None
    for step in range(round(until_s / 5)):
        aged = [(s, e, nr, age + 50 * step) for s, e, nr, age in regions]
        last = page_out(
            policy, seen(5.0 * step, aged, major_faults=round(5 * step * faults_per_s))
        )
    return float("inf") if last is None else float(last.pattern.min_age)


def test_moving_averages_dare_more_with_a_larger_budget() -> None:
    assert min_age(0.1, until_s=100.0) < min_age(0.002, until_s=100.0)


def test_moving_averages_dare_less_where_more_comes_back_than_was_expected() -> None:
    assert min_age(0.02) < min_age(0.02, faults_per_s=20_000)


def test_moving_averages_leave_alone_what_is_idle_but_soon_expected_back() -> None:
    policy = MovingAverages(short_s=5.0, long_s=100.0).policy(1e-6)
    for step in range(120):
        # the first half was used once, 20 s ago; the second one always, until 30 s ago
        once, rests = step == 115, step >= 114
        shown = seen(
            5.0 * step,
            [
                (0, 64 * MIB, 10 * once, 50 * step if step < 115 else 50 * (step - 115)),
                (GIB, 2 * GIB, 0 if rests else 10, 50 * (step - 113) if rests else 50 * step),
            ],
        )
        scheme = page_out(policy, shown)
    assert scheme is not None
    assert scheme.pattern.min_age == 200
    (spared,) = scheme.filters
    assert (spared.addr_start, spared.addr_end) == (GIB, 2 * GIB)
    assert spared.matching and not spared.allow


# ---- all of them ----


@pytest.mark.parametrize("name", ADAPTIVE)
def test_each_tenant_has_a_memory_of_its_own(name: str) -> None:
    one, other = RULES[name].policy(0.02), RULES[name].policy(0.02)
    for k in range(40):
        one.decide(idle_and_hot(5.0 * k))
    alone = [other.decide(idle_and_hot(5.0 * k)).plan for k in range(40)]
    third = RULES[name].policy(0.02)
    assert alone == [third.decide(idle_and_hot(5.0 * k)).plan for k in range(40)]


@pytest.mark.parametrize("name", ADAPTIVE)
def test_time_that_stands_still_or_goes_back_is_survived(name: str) -> None:
    policy = RULES[name].policy(0.02)
    for at_s in (0.0, 5.0, 5.0, 1.0, 400.0):
        policy.decide(idle_and_hot(at_s))
    policy.decide(seen(405.0, []))


@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_decision_takes_below_two_milliseconds_with_200_regions(name: str) -> None:
    rng, policy = random.Random(2), RULES[name].policy(0.02)
    shown = [
        seen(
            5.0 * k,
            [
                (r * MIB, (r + 1) * MIB, rng.choice((0, 0, 3)), rng.randrange(900))
                for r in range(200)
            ],
        )
        for k in range(60)
    ]
    times = []
    for one in shown:
        began = time.thread_time()
        policy.decide(one)
        times.append(time.thread_time() - began)
    assert sorted(times)[len(times) // 2] < 2e-3
