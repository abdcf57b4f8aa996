"""The forecast finds what repeats, admits where nothing does, and never talks nonsense."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.kernel_iface.host import Snapshot

from .snapshots import GIB, MIB, snapshot
from .test_history import HOSTILE, layouts

BASE = 0x5555_0000_0000
PLACE = 64 * MIB
NR_PLACES = 8
CLASSES = ("idle", "rare", "warm", "hot")
Address = tuple[int, int]


def hot_place(at_s: float, place: int | None, idle_s: float = 1000.0) -> Snapshot:
    """Eight places of 64 MiB, of which one is hot."""
    return snapshot(
        at_s,
        [
            (
                BASE + i * PLACE,
                BASE + (i + 1) * PLACE,
                20 if i == place else 0,
                0 if i == place else round(idle_s * 10),
            )
            for i in range(NR_PLACES)
        ],
    )


def place_range(place: int) -> Address:
    return BASE + place * PLACE, BASE + (place + 1) * PLACE


def follow(snapshots: Iterable[Snapshot]) -> tuple[_core.History, _core.Forecast]:
    history, forecast = _core.History(), _core.Forecast()
    for one in snapshots:
        history.update(one)
        forecast.update(history, one)
    return history, forecast


def in_turn(nr_steps: int, interval_s: float, dwell_steps: int, places: int) -> list[Snapshot]:
    """Each place is hot for a while, one after the other."""
    return [hot_place(i * interval_s, i // dwell_steps % places) for i in range(1, nr_steps + 1)]


@pytest.mark.parametrize("interval_s", [0.5, 1.0, 5.0, 20.0, 60.0])
def test_places_in_turn_are_a_period(interval_s: float) -> None:
    history, forecast = follow(in_turn(220, interval_s, 4, 5))
    assert forecast.period_s == pytest.approx(20 * interval_s, rel=0.02)
    assert forecast.strength > 0.9
    # step 220 is the first of a new round: the first place is hot, the second follows in 4 steps
    assert forecast.needed(history, 3.2 * interval_s) == ()
    assert forecast.needed(history, 4.2 * interval_s) == (place_range(1),)


def test_what_is_needed_grows_with_the_horizon() -> None:
    history, forecast = follow(in_turn(220, 5.0, 4, 5))
    assert forecast.needed(history, 45.0) == ((place_range(1)[0], place_range(2)[1]),)
    assert forecast.needed(history, 1e9) == ((place_range(1)[0], place_range(4)[1]),)
    assert forecast.needed(history, 0.0) == forecast.needed(history, -1.0) == ()
    assert forecast.needed(history, float("nan")) == ()


def test_a_horizon_shorter_than_a_step_is_one() -> None:
    # the last step of the first place
    history, forecast = follow(in_turn(223, 5.0, 4, 5))
    assert forecast.needed(history, 0.1) == (place_range(1),)


def test_the_period_is_not_a_multiple_of_itself() -> None:
    for nr_steps in (80, 120, 200, 256, 400, 700):
        _history, forecast = follow(in_turn(nr_steps, 5.0, 4, 5))
        assert forecast.period_s == pytest.approx(100.0, rel=0.02)


def test_a_late_step_counts_for_what_it_was() -> None:
    """Every third of the observations is missing, at random."""
    rng = np.random.default_rng(0)
    kept = [one for one in in_turn(400, 5.0, 4, 5) if rng.random() > 1 / 3]
    _history, forecast = follow(kept)
    assert forecast.period_s == pytest.approx(100.0, rel=0.05)
    assert forecast.strength > 0.3


def test_steps_a_little_early_or_late_are_as_good() -> None:
    rng = np.random.default_rng(1)
    times_s = [5.0 * i + rng.uniform(-1.0, 1.0) for i in range(1, 300)]
    history, forecast = follow(hot_place(at_s, int(at_s / 20.0) % 5) for at_s in times_s)
    assert forecast.period_s == pytest.approx(100.0, rel=0.03)
    assert forecast.strength > 0.7
    assert forecast.needed(history, 30.0)


def test_another_control_interval_keeps_the_period() -> None:
    times_s = [*np.arange(5.0, 1000.0, 5.0), *np.arange(1000.0, 1400.0, 10.0)]
    _history, forecast = follow(hot_place(at_s, int(at_s // 40) % 3) for at_s in times_s)
    assert forecast.period_s == pytest.approx(120.0, rel=0.05)
    assert forecast.strength > 0.5


def random_places(seed: int, nr_steps: int, dwell: Callable[[], float]) -> list[Snapshot]:
    rng = np.random.default_rng(seed)
    snapshots: list[Snapshot] = []
    place = 0
    while len(snapshots) < nr_steps:
        place = int((place + rng.integers(1, NR_PLACES)) % NR_PLACES)
        for _ in range(max(1, round(dwell()))):
            snapshots.append(hot_place(5.0 * (len(snapshots) + 1), place))
    return snapshots[:nr_steps]


@pytest.mark.parametrize("kind", ["fixed dwell", "any dwell"])
def test_places_by_chance_are_no_period(kind: str) -> None:
    strengths, needed = [], 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        dwell = (lambda: 5.0) if kind == "fixed dwell" else (lambda rng=rng: rng.exponential(5.0))
        history, forecast = _core.History(), _core.Forecast()
        for one in random_places(seed, 400, dwell):
            history.update(one)
            forecast.update(history, one)
            strengths.append(forecast.strength)
            needed += bool(forecast.needed(history, 30.0))
    assert np.mean(strengths) < 0.05
    assert needed < 0.05 * len(strengths)


@pytest.mark.parametrize("place", [None, 3], ids=["idle", "always hot"])
def test_what_never_changes_has_no_period(place: int | None) -> None:
    history, forecast = follow(hot_place(5.0 * i, place) for i in range(1, 300))
    assert (forecast.period_s, forecast.strength) == (0.0, 0.0)
    assert forecast.needed(history, 120.0) == ()
    for ahead in forecast.ahead():
        assert ahead == pytest.approx(forecast.now(), abs=1e-6)


def test_noise_of_each_chunk_is_no_period() -> None:
    rng = np.random.default_rng(2)

    def noisy(at_s: float) -> Snapshot:
        return snapshot(
            at_s,
            [
                (BASE + i * MIB, BASE + (i + 1) * MIB, int(rng.random() < 0.3), 500)
                for i in range(100)
            ],
        )

    history, forecast = _core.History(), _core.Forecast()
    for i in range(1, 500):
        one = noisy(5.0 * i)
        history.update(one)
        forecast.update(history, one)
        assert forecast.strength < 0.2
    assert forecast.needed(history, 120.0) == ()


def working_sets(values: Iterable[float], interval_s: float = 5.0) -> list[Snapshot]:
    """The first part of 1 GiB is hot, as large as the values say."""
    return [
        snapshot(
            interval_s * (i + 1),
            [
                (BASE, BASE + round(value * GIB), 20, 0),
                (BASE + round(value * GIB), BASE + GIB, 0, 9999),
            ],
        )
        for i, value in enumerate(values)
    ]


def errors(snapshots: list[Snapshot], interval_s: float = 5.0) -> list[tuple[float, float]]:
    """Per horizon: mean absolute error of the working set's forecast, and of persistence."""
    history, forecast = _core.History(), _core.Forecast()
    now, ahead = [], []
    for one in snapshots:
        history.update(one)
        forecast.update(history, one)
        now.append(forecast.now()["working_set"])
        ahead.append([shares["working_set"] for shares in forecast.ahead()])
    seen, said = np.array(now), np.array(ahead)
    result = []
    for k, horizon_s in enumerate(_core.FORECAST_HORIZONS_S):
        steps = max(round(horizon_s / interval_s), 1)
        start = len(seen) // 3
        later = seen[start + steps :]
        result.append(
            (
                float(np.abs(said[start:-steps, k] - later).mean()),
                float(np.abs(seen[start:-steps] - later).mean()),
            )
        )
    return result


def test_a_swelling_and_shrinking_working_set_is_forecast() -> None:
    values = 0.5 + 0.3 * np.sin(2 * np.pi * np.arange(400) / 60)
    for forecast, persistence in errors(working_sets(values)):
        assert forecast < 0.25 * persistence


def test_a_trend_is_followed() -> None:
    rng = np.random.default_rng(3)
    values = np.linspace(0.1, 0.9, 300) + rng.normal(0, 0.005, 300)
    (near, near_last), (far, far_last) = errors(working_sets(values))
    assert near < 0.7 * near_last
    assert far < 0.7 * far_last


def test_noise_is_averaged_out() -> None:
    rng = np.random.default_rng(4)
    values = 0.5 + rng.normal(0, 0.05, 300).clip(-0.4, 0.4)
    for forecast, persistence in errors(working_sets(values)):
        assert forecast < 0.85 * persistence


@pytest.mark.parametrize("interval_s", [0.5, 20.0, 60.0])
def test_horizons_are_seconds_at_any_interval(interval_s: float) -> None:
    # slow enough for the shortest horizon, and seen several times at the longest interval
    period_s = max(60.0, 12 * interval_s)
    times_s = interval_s * np.arange(240 + round(240.0 / interval_s))
    values = 0.5 + 0.3 * np.sin(2 * np.pi * times_s / period_s)
    near, _far = errors(working_sets(values, interval_s), interval_s)
    assert near[0] < 0.5 * near[1]


def test_a_random_walk_is_not_forecast_worse_than_it_must_be() -> None:
    """Nothing forecasts it better than its last value does."""
    walks = [
        0.5 + np.cumsum(np.random.default_rng(seed).normal(0, 0.01, 400)) for seed in range(8)
    ]
    found = np.mean([errors(working_sets(walk.clip(0.01, 0.99))) for walk in walks], axis=0)
    assert np.all(found[:, 0] < 1.1 * found[:, 1])


def test_shares_are_of_the_monitored_bytes() -> None:
    regions = [
        (BASE, BASE + 10 * MIB, 0, 9999),
        (BASE + 10 * MIB, BASE + 30 * MIB, 0, 10),
        (BASE + 30 * MIB, BASE + 60 * MIB, 2, 0),
        (BASE + 60 * MIB, BASE + 75 * MIB, 3, 0),
        (BASE + 75 * MIB, BASE + 100 * MIB, 11, 0),
    ]
    _history, forecast = follow([snapshot(5, regions), snapshot(10, regions)])
    assert forecast.now() == pytest.approx(
        {"working_set": 0.9, "idle": 0.3, "rare": 0.3, "warm": 0.15, "hot": 0.25}
    )


def test_ranges_are_few_joined_and_the_best_first() -> None:
    """Places 0 and 2 and 3 alternate with 5; 6 lies between them and nothing."""
    large, small = (2, 3, 4), (6,)

    def step(i: int) -> Snapshot:
        active = {0} if i % 20 < 10 else {*large, *small}
        return snapshot(
            5.0 * i,
            [
                (*place_range(p), 20 if p in active or p == 3 else 0, 0 if p in active else 9999)
                for p in range(NR_PLACES)
            ],
        )

    # step 300 is the first of ten in which place 0 is used; place 3 always is
    history, forecast = follow(step(i) for i in range(1, 301))
    expected = ((place_range(2)[0], place_range(4)[1]), place_range(6))
    assert forecast.needed(history, 60.0) == expected
    assert forecast.needed(history, 60.0, 1) == expected[:1]
    assert forecast.needed(history, 60.0, 0) == ()


def check_sane(history: _core.History, forecast: _core.Forecast) -> None:
    assert 0.0 <= forecast.strength <= 1.0
    assert 0.0 <= forecast.period_s < 1e16
    for shares in (forecast.now(), *forecast.ahead()):
        assert all(-1e-6 <= share <= 1.0 + 1e-6 for share in shares.values())
        total = sum(shares[name] for name in CLASSES)
        assert total == pytest.approx(1.0, abs=1e-6) or total == 0.0
    for start, end in forecast.needed(history, 120.0):
        assert start < end


@given(
    st.lists(layouts(), min_size=2, max_size=4),
    st.lists(st.floats(1e-3, 1e4), min_size=4, max_size=60),
)
@settings(deadline=None)
def test_whatever_comes_the_forecast_is_sane(
    steps: list[list[tuple[int, int, int, int]]], intervals_s: list[float]
) -> None:
    history, forecast = _core.History(), _core.Forecast()
    at_s = 0.0
    for number, interval_s in enumerate(intervals_s):
        at_s += interval_s
        one = snapshot(at_s, steps[number % len(steps)])
        history.update(one)
        forecast.update(history, one)
        check_sane(history, forecast)


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_snapshot_between_ordinary_ones(hostile: Snapshot) -> None:
    history, forecast = _core.History(), _core.Forecast()
    for one in (hot_place(5, 1), hostile, hot_place(15, 1), hot_place(20, 1)):
        history.update(one)
        forecast.update(history, one)
        check_sane(history, forecast)


def test_the_forecast_begins_anew_with_the_history() -> None:
    history, forecast = follow(in_turn(200, 5.0, 4, 5))
    assert forecast.period_s
    again = hot_place(1.0, 2)
    history.update(again)
    forecast.update(history, again)
    assert (forecast.period_s, forecast.strength) == (0.0, 0.0)
    assert forecast.now()["working_set"] == forecast.ahead()[0]["working_set"] == 1 / NR_PLACES


def test_a_forecast_that_joins_late_knows_the_history() -> None:
    snapshots = in_turn(200, 5.0, 4, 5)
    history = _core.History()
    for one in snapshots:
        history.update(one)
    forecast = _core.Forecast()
    assert forecast.needed(history, 60.0) == ()
    forecast.update(history, snapshots[-1])
    assert forecast.period_s == pytest.approx(100.0, rel=0.02)
    assert forecast.needed(history, 60.0)


def test_the_same_snapshot_again_changes_nothing() -> None:
    snapshots = in_turn(100, 5.0, 4, 5)
    history, forecast = follow(snapshots)
    before = forecast.ahead(), forecast.strength, forecast.needed(history, 60.0)
    history.update(snapshots[-1])
    forecast.update(history, snapshots[-1])
    assert (forecast.ahead(), forecast.strength, forecast.needed(history, 60.0)) == before


def test_a_forecast_needs_a_history() -> None:
    with pytest.raises(TypeError, match=r"a _core\.History is needed"):
        _core.Forecast().needed(object(), 30.0)
    with pytest.raises(TypeError, match=r"a _core\.History is needed"):
        _core.Forecast().update(None, hot_place(5, 1))
