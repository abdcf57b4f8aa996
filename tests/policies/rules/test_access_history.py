"""What was idle for how long is told from snapshots, whatever schemes do to DAMON's ages."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from damon_tuner.policies.rules.access_history import AccessHistory

from ..snapshots import MIB, snapshot


def test_idle_time_goes_on_from_the_first_age_and_ends_with_an_access() -> None:
    history = AccessHistory()
    assert history.update(snapshot(0.0, [(0, 8 * MIB, 0, 70)])) == []
    history.update(snapshot(5.0, [(0, 8 * MIB, 0, 120)]))
    assert [p.idle_s for p in history.pieces] == pytest.approx([12.0])
    (access,) = history.update(snapshot(10.0, [(0, 8 * MIB, 3, 10)]))
    # it has been accessed for the last second
    assert access.bytes == 8 * MIB
    assert access.idle_s == pytest.approx(16.0)
    assert history.pieces[0].idle_s == 0.0


def test_a_young_age_is_an_access_but_not_where_a_scheme_acted() -> None:
    for acted_age_s, idle_s in ((100.0, 2.0), (10.0, 25.0)):
        history = AccessHistory()
        history.update(snapshot(0.0, [(0, 8 * MIB, 0, 200)]))
        accesses = history.update(snapshot(5.0, [(0, 8 * MIB, 0, 20)]), acted_age_s)
        assert bool(accesses) == (acted_age_s > 20.0)
        assert history.pieces[0].idle_s == pytest.approx(idle_s)


def test_only_the_part_that_was_accessed_begins_anew() -> None:
    history = AccessHistory()
    history.update(snapshot(0.0, [(0, 8 * MIB, 0, 100)]))
    accesses = history.update(snapshot(5.0, [(0, 2 * MIB, 0, 150), (2 * MIB, 8 * MIB, 9, 5)]))
    assert [a.bytes for a in accesses] == [6 * MIB]
    assert [(p.bytes, p.idle_s) for p in history.pieces] == [(2 * MIB, 15.0), (6 * MIB, 0.0)]


def test_averages_follow_use_each_at_its_own_pace() -> None:
    history = AccessHistory((5.0, 500.0))
    for step in range(20):
        nr = 8 if step < 10 else 0
        history.update(snapshot(5.0 * step, [(0, MIB, nr, 50 * (step % 10 + 1))]))
    short, long = history.pieces[0].averages
    assert short < 0.01 < 0.9 < long < 1.0


def test_pieces_cover_what_is_monitored_and_stay_few() -> None:
    rng, history = random.Random(1), AccessHistory((10.0, 60.0))
    for step in range(100):
        cuts = sorted(rng.sample(range(1, 5_000), 150))
        bounds = [0, *cuts, 5_000]
        regions = [
            (a * MIB, b * MIB, rng.choice((0, 0, 4)), rng.randrange(400))
            for a, b in pairwise(bounds)
        ]
        history.update(snapshot(5.0 * step, regions))
        assert sum(p.bytes for p in history.pieces) == 5_000 * MIB
        assert len(history.pieces) <= 300
    assert all(a.end <= b.start for a, b in pairwise(history.pieces))
