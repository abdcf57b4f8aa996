"""What a benchmark says follows from its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from damon_tuner.benchmarks.report import pareto_front
from damon_tuner.benchmarks.score import Results, print_table, score_figures
from damon_tuner.benchmarks.sets import HELD_OUT, RECORDINGS

BUDGET, BOUND = 0.02, 0.4
Row = dict[str, Any]
# By contender: kind, training seeds, share of the bound that is saved.
CONTENDERS = {
    "none": ("rule", 1, 0.0),
    "good_rule": ("rule", 1, 0.5),
    "careful_rule": ("rule", 1, 0.3),
    "searched_tpe": ("searched", 1, 0.4),
    "searched_tpe_per_workload": ("oracle", 1, 0.6),
    "learned": ("policy", 3, 0.75),
}


def _rows(set_name: str, workloads: tuple[str, ...], seeds: int = 8) -> list[Row]:
    return [
        {
            "set": set_name,
            "workload": workload,
            "family": workload.partition(" ")[0],
            "workload_digest": workload,
            "contender": name,
            "kind": kind,
            "training_seed": trained,
            "seed": seed,
            "budget": BUDGET,
            # from episode to episode, and with the policy
            "saving": BOUND * (share + (0.01 * seed + 0.02 * trained if share else 0.0)),
            "slowdown": 0.01,
            "breaches": 0.0 if name in ("none", "careful_rule") else 0.03,
        }
        for name, (kind, nr_trained, share) in CONTENDERS.items()
        for workload in workloads
        for trained in range(nr_trained)
        for seed in range(seeds)
    ]


def _bounds(rows: list[Row], bound: dict[str, float] | None = None) -> list[Row]:
    keys = {(row["workload"], row["seed"]) for row in rows}
    return [
        {
            "workload_digest": workload,
            "seed": seed,
            "budget": BUDGET,
            "bound": (bound or {}).get(workload, BOUND),
        }
        for workload, seed in keys
    ]


def _results(bound: dict[str, float] | None = None) -> Results:
    rows = _rows(HELD_OUT, ("oltp", "graph")) + _rows(RECORDINGS, ("stairs",))
    return Results(rows, _bounds(rows, bound))


FIGURES = {figure.name: figure for figure in score_figures(_results())}


def test_the_score_is_the_share_of_the_bound() -> None:
    figure = FIGURES["score.learned.iqm"]
    assert figure.value == pytest.approx(0.75 + 0.035 + 0.02)
    low, high = figure.more["low"], figure.more["high"]
    assert isinstance(low, float) and isinstance(high, float)
    assert low < figure.value < high
    about = {"set": HELD_OUT, "budget": BUDGET, "workloads": 2, "seeds": 8}
    assert figure.more.items() >= {**about, "scored": 16, "left_out": 0}.items()


def test_the_best_single_is_neither_learned_nor_an_oracle() -> None:
    best = FIGURES["score.best_single.iqm"]
    assert best.more["contender"] == "good_rule"
    assert best.value == FIGURES["score.good_rule.iqm"].value
    within = FIGURES["score.best_single_within.iqm"]
    assert within.more["contender"] == "careful_rule"
    oracle = FIGURES["score.searched_per_workload.iqm"]
    assert oracle.more["contender"] == "searched_tpe_per_workload"


def test_the_oracle_of_hindsight_keeps_the_budget_as_often_as_is_asked() -> None:
    """Two thirds of the episodes by the best training seed, each of which is over it by 3 %."""
    hindsight = FIGURES["score.hindsight_within.iqm"]
    best = max(0.75 + 0.02 * seed + 0.01 * 7 for seed in range(3))
    assert FIGURES["score.careful_rule.iqm"].value < hindsight.value < best


def test_other_sets_have_their_name_in_their_figures() -> None:
    assert FIGURES["score.recordings.learned.iqm"].more["set"] == RECORDINGS
    assert "score.recordings.learned.over.good_rule.difference" in FIGURES


def test_what_is_learned_is_compared_episode_by_episode() -> None:
    difference = FIGURES["score.learned.over.good_rule.difference"]
    assert difference.value == pytest.approx(0.27)
    chance = FIGURES["score.learned.over.good_rule.probability_of_improvement"]
    assert (chance.value, chance.more["low"]) == (1.0, 1.0)
    share = FIGURES["score.learned.of_clairvoyant"]
    assert share.value == pytest.approx(0.75 + 0.035 + 0.02)
    assert share.more["low"] < share.value < share.more["high"]  # type: ignore[operator]
    assert FIGURES["score.learned.breaches"].value == pytest.approx(0.03)


def test_the_worst_family_is_named() -> None:
    """Half of what could be saved there: a bound that is twice as high."""
    figures = {f.name: f for f in score_figures(_results({"oltp": 2 * BOUND}))}
    worst = figures["score.learned.worst_family"]
    assert worst.more["family"] == "oltp"
    assert worst.value == pytest.approx((0.75 + 0.035 + 0.02) / 2)


@pytest.mark.parametrize("bound", [float("nan"), 0.005])
def test_episodes_without_a_bound_are_left_out_for_all_and_counted(bound: float) -> None:
    results = _results({"oltp": bound})
    panel = results.panel(HELD_OUT, BUDGET)
    assert (panel.about["scored"], panel.about["left_out"]) == (8, 8)
    assert panel.iqm("good_rule").value == pytest.approx(0.5 + 0.035)
    # who is killed tells nothing of breaches; where little can be saved they count
    counted = panel.strata["learned"][0].of("breaches").size
    assert counted == (0 if np.isnan(bound) else 3 * 8)


def test_an_episode_without_its_bound_is_refused() -> None:
    rows = _rows(HELD_OUT, ("oltp",))
    with pytest.raises(ValueError, match="without a bound"):
        Results(rows, _bounds(rows)[1:])


def test_the_table_has_the_best_first() -> None:
    lines: list[str] = []
    print_table(_results(), lines.append)
    first = lines.index(next(line for line in lines if line.startswith("learned")))
    assert lines[first + 1].startswith("searched_tpe_per_workload")
    assert "held out families; budget 2.0%, 2 workloads, 8 seeds" in lines[first - 2]


def test_nobody_on_the_front_is_beaten_in_both() -> None:
    points = [(0.0, 0.0), (0.01, 0.3), (0.02, 0.2), (0.02, 0.4), (0.05, 0.4)]
    assert pareto_front(points) == [(0.0, 0.0), (0.01, 0.3), (0.02, 0.4)]
