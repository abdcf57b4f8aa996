"""The guard holds whatever the policy answers."""

import math
from array import array
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.policies.decision import GuardLimits, LearnedPolicy
from damon_tuner.policies.schema import RECLAIM

from .helpers import random_policy
from .test_decision_path import GIB, act, later, observe, snapshot

STORM = 100_000
FLOOR = 4096.0


def started(budget: float = 0.02) -> _core.Decider:
    decider = _core.Decider(budget)
    observe(decider, snapshot())
    return decider


def test_the_minimum_age_falls_at_most_fourfold_a_decision_and_rises_freely() -> None:
    decider = started()
    assert act(decider, 1.0, 0.0)["min_age_s"] == pytest.approx(1200.0, rel=1e-5)
    assert act(decider, -1.0, 0.0)["min_age_s"] == pytest.approx(300.0, rel=1e-5)
    assert "rate" in decider.reasons()
    assert act(decider, 1.0, 0.0)["min_age_s"] == pytest.approx(1200.0, rel=1e-5)


def test_the_quota_has_a_ceiling() -> None:
    decider = _core.Decider(0.02)
    observe(decider, snapshot(resident_bytes=1000 * GIB))
    assert act(decider, 0.0, 1.0)["quota_bytes_per_s"] == 4 * GIB
    assert "limit" in decider.reasons()


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf])
def test_nonsense_stops_page_out(nonsense: float) -> None:
    for action in ((nonsense, 0.0), (0.0, nonsense)):
        decider = started()
        knobs = act(decider, *action)
        assert knobs == {"min_age_s": 3600.0, "quota_bytes_per_s": FLOOR}
        assert "nonsense" in decider.reasons()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"major_faults": STORM}, "slowdown"), ({"psi_some_us": 2_000_000}, "pressure")],
)
def test_pressure_opens_the_breaker_at_once(changes: dict[str, int], reason: str) -> None:
    decider = started()
    observe(decider, later(5.0, **changes))
    assert act(decider, -1.0, 1.0)["quota_bytes_per_s"] == FLOOR
    assert {reason, "hold"} <= set(decider.reasons())


def test_a_quiet_host_is_left_to_the_policy() -> None:
    decider = started()
    observe(decider, later(5.0, major_faults=10))
    assert act(decider, 0.0, 0.0)["quota_bytes_per_s"] > FLOOR
    assert decider.reasons() == ()


def _held_intervals(decider: _core.Decider, at_s: float, faults: int) -> tuple[int, float]:
    """Let faults storm once and count the decisions until page-out is allowed again."""
    held = 0
    observe(decider, later(at_s, major_faults=faults))
    while act(decider, 0.0, 0.0)["quota_bytes_per_s"] == FLOOR:
        held += 1
        at_s += 5.0
        observe(decider, later(at_s, major_faults=faults))
        assert held < 200
    return held, at_s


def test_each_storm_holds_longer_until_it_was_calm() -> None:
    decider, at_s, faults, holds = started(), 0.0, 0, []
    for _ in range(3):
        faults += STORM
        held, at_s = _held_intervals(decider, at_s + 5.0, faults)
        holds.append(held)
    assert holds == [2, 4, 8]
    for _ in range(25):
        at_s += 5.0
        observe(decider, later(at_s, major_faults=faults))
        act(decider, 0.0, 0.0)
    held, _ = _held_intervals(decider, at_s + 5.0, faults + STORM)
    assert held == 2


def test_the_hold_is_seen_by_the_policy() -> None:
    decider = started()
    assert observe(decider, later(5.0))["hold"] == 0.0
    assert observe(decider, later(10.0, major_faults=STORM))["hold"] > 0.0


def test_a_buffer_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match="action must be 2"):
        started().act(array("f", [0.0]))
    with pytest.raises(BufferError):
        _core.Decider(0.02).observe(snapshot(), bytes(4 * RECLAIM.nr_features))


def _over_budget(decider: _core.Decider, at_s: float, slowdown: float) -> None:
    """Let an interval of 5 s that ends at ``at_s`` have this slowdown."""
    observe(decider, later(at_s, major_faults=round(slowdown * at_s * 1e6 / 50)))


def test_a_breach_that_lasts_halves_the_quota_and_keeps_the_minimum_age() -> None:
    decider = started()
    before = act(decider, 0.0, 0.0)
    at_s = [5.0, 10.0, 15.0, 20.0, 25.0]
    _over_budget(decider, at_s[0], 0.05)
    assert act(decider, 0.0, 0.0) == before
    assert decider.reasons() == ()
    for halvings, end_s in enumerate(at_s[1:4], start=1):
        _over_budget(decider, end_s, 0.05)
        knobs = act(decider, -1.0, 1.0)
        assert decider.reasons()[0] == "rate"
        assert "breach" in decider.reasons()
        assert knobs["quota_bytes_per_s"] == before["quota_bytes_per_s"] / 2**halvings
        assert knobs["min_age_s"] == before["min_age_s"]
    observe(decider, later(at_s[4], major_faults=round(0.05 * at_s[3] * 1e6 / 50)))
    assert act(decider, 0.0, 0.0) == before
    assert decider.reasons() == ()


def test_what_a_policy_adds_in_a_breachs_first_interval_is_taken_back() -> None:
    decider = started()
    before = act(decider, 0.0, -0.5)
    _over_budget(decider, 5.0, 0.05)
    assert act(decider, -1.0, 1.0)["min_age_s"] < before["min_age_s"]
    _over_budget(decider, 10.0, 0.05)
    knobs = act(decider, -1.0, 1.0)
    assert knobs["quota_bytes_per_s"] == before["quota_bytes_per_s"] / 2
    assert knobs["min_age_s"] == before["min_age_s"]


Interval = tuple[float, float, tuple[float, float], tuple[str, ...]]
_ANSWER = st.floats(-2.0, 2.0, width=32) | st.sampled_from([math.nan, math.inf, -math.inf])
_INTERVAL = st.tuples(
    st.sampled_from([0.0, 0.5, 5.0, 60.0]),
    st.sampled_from([0.0, 0.01, 0.03, 0.05, 0.09, 0.5]),
    st.tuples(_ANSWER, _ANSWER),
    st.sampled_from([(), (), (), ("swap",), ("score", "refaults")]),
)


@settings(max_examples=300, deadline=None)
@given(intervals=st.lists(_INTERVAL, max_size=30), budget=st.sampled_from([0.005, 0.02, 0.04]))
def test_no_answers_leave_a_breach_uncorrected_for_more_than_two_intervals(
    intervals: list[Interval], budget: float
) -> None:
    decider = started(budget)
    at_s, faults, cpu_us, in_a_row = 0.0, 0.0, 0, 0
    start = in_force = decider.knobs()
    for dt_s, slowdown, answer, tripped in intervals:
        at_s, faults = at_s + dt_s, faults + slowdown * dt_s * 1e6 / 50
        cpu_us = round(at_s * 1e6)
        observe(
            decider, later(at_s, major_faults=round(faults), cpu_time_us=cpu_us), tripped=tripped
        )
        if dt_s > 0.0:
            in_a_row = in_a_row + 1 if decider.rates()["slowdown"] > budget else 0
            start = in_force if in_a_row == 1 else start
        knobs = act(decider, *answer)
        if in_a_row >= 2:
            least = max(FLOOR, start["quota_bytes_per_s"] / 2 ** (in_a_row - 1))
            assert knobs["quota_bytes_per_s"] <= least
            assert knobs["min_age_s"] >= start["min_age_s"]
            assert "breach" in decider.reasons() or "nonsense" in decider.reasons()
        else:
            assert "breach" not in decider.reasons()
        if decider.hold_left_s > 0.0:
            assert knobs["quota_bytes_per_s"] == FLOOR
        in_force = knobs


@pytest.mark.parametrize("name", ["pressure", "swap", "fast_node", "refaults", "score"])
def test_what_a_snapshot_does_not_show_trips_the_breaker(name: str) -> None:
    decider = started()
    observe(decider, later(5.0), tripped=(name,))
    assert act(decider, 0.0, 0.0)["quota_bytes_per_s"] == FLOOR
    assert set(decider.reasons()) == {"hold", name}
    assert decider.hold_left_s == 10.0
    observe(decider, later(10.0))
    assert act(decider, 0.0, 0.0)["quota_bytes_per_s"] == FLOOR
    assert decider.reasons() == ("hold",)
    assert decider.hold_left_s == 5.0
    observe(decider, later(15.0))
    assert act(decider, 0.0, 0.0)["quota_bytes_per_s"] > FLOOR
    assert decider.hold_left_s == 0.0


def test_trips_from_outside_back_off_as_the_guards_own_do() -> None:
    decider, holds, left_s = started(), [], 0.0
    for k in range(1, 200):
        observe(decider, later(5.0 * k), tripped={"swap"})
        assert act(decider, 0.0, 1.0)["quota_bytes_per_s"] == FLOOR
        if decider.hold_left_s > left_s:
            holds.append(decider.hold_left_s)
        left_s = decider.hold_left_s
    assert holds[:7] == [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 320.0]


@pytest.mark.parametrize("tripped", [("hold",), ("swap", "slowdown"), ("Swap",), (1,), "swap"])
def test_nothing_else_trips_it(tripped: object) -> None:
    decider = started()
    with pytest.raises(ValueError, match="only pressure, swap, fast_node, refaults and score can"):
        observe(decider, later(5.0), tripped=tripped)
    assert decider.hold_left_s == 0.0


def test_an_operator_may_narrow_the_limits() -> None:
    decider = _core.Decider(0.02, min_age_s=40.0, max_quota_bytes_per_s=1e6, max_age_division=1.25)
    observe(decider, snapshot())
    assert act(decider, -1.0, 1.0) == {"min_age_s": 48.0, "quota_bytes_per_s": 1e6}
    assert decider.reasons() == ("limit", "rate")
    assert act(decider, -1.0, 1.0)["min_age_s"] == 40.0


_WIDER = [
    ("min_age_s", 1.99),
    ("min_age_s", 3601.0),
    ("max_quota_bytes_per_s", 4294967297.0),
    ("max_quota_bytes_per_s", 4095.0),
    ("max_age_division", 4.01),
    ("max_age_division", 0.99),
]


@pytest.mark.parametrize(
    ("name", "value"), [*_WIDER, *((name, math.nan) for name, _ in _WIDER[::2])]
)
def test_no_limit_can_be_widened(name: str, value: float) -> None:
    decider = started()
    with pytest.raises(ValueError, match=f"{name} must be from"):
        _core.Decider(0.02, **{name: value})
    with pytest.raises(ValueError, match=f"{name} must be from"):
        decider.set_limits(**{name: value})
    with pytest.raises(ValueError, match=f"{name} must be from"):
        LearnedPolicy(random_policy().network(), 0.02, GuardLimits(**{name: value}))


def test_the_limits_default_to_the_guards_own() -> None:
    named, own = _core.Decider(0.02, **asdict(GuardLimits())), _core.Decider(0.02)
    for decider in (named, own):
        observe(decider, snapshot(resident_bytes=1000 * GIB))
    for answer in ((-1.0, 1.0), (-1.0, -1.0), (-1.0, 0.0)):
        assert act(named, *answer) == act(own, *answer)


def test_another_budget_and_other_limits_leave_no_gap() -> None:
    decider = started()
    observe(decider, later(5.0, major_faults=STORM))
    act(decider, 0.0, 0.0)
    before = decider.rates(), decider.knobs(), decider.hold_left_s
    decider.set_budget(0.04)
    decider.set_limits(min_age_s=30.0)
    assert (decider.rates(), decider.knobs(), decider.hold_left_s) == before
    seen = observe(decider, later(10.0, major_faults=STORM))
    assert seen["budget_log"] == pytest.approx(math.log10(0.04) + 2.0)
    assert decider.hold_left_s == 5.0
    assert act(decider, -1.0, 0.0)["min_age_s"] == 30.0
    decider.set_limits()
    assert act(decider, -1.0, 0.0)["min_age_s"] == 7.5
    with pytest.raises(ValueError, match="budget"):
        decider.set_budget(0.0)
