"""Rankings are compared as Kendall's tau-b does, and loads are the same in both worlds."""

from math import isnan
from pathlib import Path

import pytest
from scipy.stats import kendalltau

from damon_tuner.benchmarks.ranks.patterns import PATTERNS, Pattern, Phase, Use
from damon_tuner.benchmarks.ranks.run import guest_host, kernel_outcomes
from damon_tuner.benchmarks.ranks.score import Outcome
from damon_tuner.benchmarks.ranks.simulated import GuestHost, play
from damon_tuner.benchmarks.ranks.tau import kendall_tau_b

MIB = 1 << 20


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        ([1, 2, 3, 4], [4, 3, 2, 1]),
        ([1, 2, 2, 4, 5], [1, 3, 2, 2, 5]),
        ([0.1, 0.1, 0.1, 7.0], [3.0, 1.0, 1.0, 2.0]),
    ],
)
def test_tau_is_scipys(left: list[float], right: list[float]) -> None:
    assert kendall_tau_b(left, right) == pytest.approx(kendalltau(left, right).statistic)


def test_tau_of_a_ranking_that_is_none_is_undefined() -> None:
    assert isnan(kendall_tau_b([1, 1, 1], [1, 2, 3]))


def test_time_lost_over_the_budget_costs_and_below_it_does_not() -> None:
    assert Outcome(0.4, 0.02, 0).score(0.02) == pytest.approx(0.4)
    assert Outcome(0.4, 0.03, 0).score(0.02) == pytest.approx(-0.1)
    assert Outcome(0.4, 0.5, 0).score(0.02) == -1.0


def test_a_pattern_is_told_alike_to_the_program_and_to_the_simulator() -> None:
    hot, first, second = Use(0, 2, 5.0), Use(2, 4, 1.0), Use(6, 2, 3.0)
    pattern = Pattern(16, (Phase(10, (hot, first)), Phase(20, (hot, second))))
    assert pattern.text().splitlines()[:4] == [
        "map 16M",
        "phase 10",
        "0M 2M random 5.0",
        "2M 4M random 1.0",
    ]
    assert pattern.rows(30.0) == [
        (0.0, 0.0, 16 * MIB, 0.0),
        (0.0, 0.0, 2 * MIB, 5.0),
        (0.0, 2 * MIB, 6 * MIB, 1.0),
        (10.0, 2 * MIB, 6 * MIB, 0.0),
        (10.0, 6 * MIB, 8 * MIB, 3.0),
    ]


def test_the_simulator_ranks_page_out_above_nobody_where_memory_is_left() -> None:
    guest = GuestHost(17.0, 0.3)
    none, eager = (
        play(PATTERNS["moving"], name, Path("unused"), 0.02, 60.0, 1, guest)
        for name in ("none", "pageout_5s")
    )
    assert none.saving == 0.0
    assert eager.saving > 0.2
    assert eager.faults > none.faults == 0.0


def test_time_lost_is_measured_against_nobody_in_the_same_boot() -> None:
    common = {"at_s": 100.0, "psi_some_us": 500.0}
    phases = [
        {"policy": "none", "resident_bytes": [100, 100], "cpu_s": 5.0, "major_faults": 0} | common,
        {"policy": "a", "resident_bytes": [80, 40], "cpu_s": 7.0, "major_faults": 200} | common,
    ]
    found = kernel_outcomes(phases)["a"]
    assert (found.saving, found.slowdown) == (pytest.approx(0.4), pytest.approx(0.02))
    # 200 faults of 20 us, of which a thousand of 4,000 us are counted as pressure
    host = guest_host({"swap_in_us": 20.0, "played": {"x": phases}})
    assert host.pressure_visibility == pytest.approx(0.25)
