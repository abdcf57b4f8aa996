"""The guard holds whatever the policy answers."""

import math
from array import array

import pytest

from damon_tuner import _core

from .test_decision_path import GIB, act, later, observe, snapshot

STORM = 100_000
FLOOR = 4096.0


def started(budget: float = 0.02) -> _core.Decider:
    decider = _core.Decider(budget)
    observe(decider, snapshot())
    return decider


def test_the_minimum_age_falls_at_most_fourfold_a_decision_and_rises_freely() -> None:
    decider = started()
    assert act(decider, 1.0, 0.0)["min_age_s"] == pytest.approx(300.0, rel=1e-5)
    assert act(decider, -1.0, 0.0)["min_age_s"] == pytest.approx(75.0, rel=1e-5)
    assert "rate" in decider.reasons()
    assert act(decider, 1.0, 0.0)["min_age_s"] == pytest.approx(300.0, rel=1e-5)


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
        _core.Decider(0.02).observe(snapshot(), bytes(4 * len(_core.OBSERVATION_NAMES)))
