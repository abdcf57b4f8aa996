"""What a group of knobs is worth is measured on the same episodes, and told case by case."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from damon_tuner.benchmarks.figure import Figure
from damon_tuner.benchmarks.knobs import KNOB_SETS, Case, KnobSet, helps, hurts, knob_figures
from damon_tuner.benchmarks.knobs_picture import draw_knobs
from damon_tuner.envs import EpisodeConfig
from damon_tuner.policies.schema import schema_of
from damon_tuner.training.evaluate import Result

CONFIG = EpisodeConfig(episode_s=120.0)
IDLE, PHASES = Case("nvme_swap", "idle"), Case("nvme_swap", "phases_in_turn", repeats=True)
SETS = (
    KnobSet("reclaim", ("reclaim",), (IDLE, PHASES)),
    KnobSet("power", ("power",), (IDLE,)),
    KnobSet("all", ("reclaim", "power", "thp"), (IDLE,), against="reclaim"),
)


@pytest.fixture(scope="module")
def figures() -> list[Figure]:
    return list(knob_figures(0.02, 3, 2, sets=SETS, trials=4, config=CONFIG))


def value(figures: list[Figure], name: str, load: str = "idle") -> float:
    values = [f.value for f in figures if f.name == name and f.more["load"] == load]
    assert len(values) == 1
    return values[0]


def test_every_case_has_off_what_was_found_and_the_bound(figures: list[Figure]) -> None:
    for knob_set in SETS:
        for case in knob_set.cases:
            name = f"knobs.{knob_set.name}"
            assert value(figures, f"{name}.off.saving", case.load) == 0.0
            assert value(figures, f"{name}.bound.saving", case.load) >= -1e-6
            for metric in ("saving", "slowdown"):
                value(figures, f"{name}.fixed.{metric}", case.load)
    for figure in figures:
        assert figure.more["low"] <= figure.value <= figure.more["high"]  # type: ignore[operator]
        assert figure.more["seeds"] == 3 and figure.more["budget"] == 0.02
        assert {"helps", "hurts", "profile", "repeats"} <= figure.more.keys()


def test_a_setting_is_carried_elsewhere(figures: list[Figure]) -> None:
    names = [(f.name, f.more["load"]) for f in figures if "elsewhere" in f.name]
    assert names == [
        ("knobs.reclaim.elsewhere.saving", "phases_in_turn"),
        ("knobs.reclaim.elsewhere.slowdown", "phases_in_turn"),
    ]


def test_sets_are_compared_episode_by_episode(figures: list[Figure]) -> None:
    for metric in ("saving", "slowdown"):
        one, other = (value(figures, f"knobs.{s}.fixed.{metric}") for s in ("all", "reclaim"))
        assert value(figures, f"knobs.all.gain.{metric}") == pytest.approx(one - other)


def test_more_knobs_can_do_no_less(figures: list[Figure]) -> None:
    bounds = [value(figures, f"knobs.{s}.bound.saving") for s in ("reclaim", "all")]
    assert bounds[0] <= bounds[1] + 1e-6


def test_the_figures_are_drawn(figures: list[Figure], tmp_path: Path) -> None:
    path = tmp_path / "knobs.png"
    draw_knobs([figure.line() for figure in figures], path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert all(json.loads(figure.line())["figure"].startswith("knobs.") for figure in figures)


def test_the_sets_hold_together() -> None:
    names = [knob_set.name for knob_set in KNOB_SETS]
    assert len(set(names)) == len(names)
    for knob_set in KNOB_SETS:
        schema_of(knob_set.groups)
        for case in knob_set.cases:
            assert case.workload.profile, case
        if knob_set.against is not None:
            # an earlier one, with all of the cases
            other = KNOB_SETS[names.index(knob_set.against)]
            assert names.index(other.name) < names.index(knob_set.name)
            assert set(knob_set.cases) <= set(other.cases)
    groups = {group for knob_set in KNOB_SETS for group in knob_set.groups}
    assert groups == {"reclaim", "goals", "tiering", "thp", "power", "prediction"}


def results(saving: float, slowdown: float, spread: float = 0.001) -> list[Result]:
    row = Result("p", "w", 0, 0.02, saving, saving, slowdown, 0.0)
    return [
        replace(row, saving=saving + k * spread, slowdown=slowdown + k * spread)
        for k in range(-4, 5)
    ]


@pytest.mark.parametrize(
    ("saving", "slowdown", "does_help", "does_hurt"),
    [
        (0.3, 0.01, True, False),
        (0.3, 0.05, False, True),
        (0.0, 0.0, False, False),
        (0.0, -0.05, True, False),
        (-0.1, -0.05, True, True),
        (-0.1, 0.0, False, True),
    ],
)
def test_help_and_harm_are_certain(
    saving: float, slowdown: float, does_help: bool, does_hurt: bool
) -> None:
    rows = results(saving, slowdown)
    assert helps(rows, 0.02) is does_help
    assert hurts(rows, 0.02) is does_hurt
    # with so large a spread nothing is
    rows = results(saving, slowdown, 0.5)
    assert not helps(rows, 0.02) and not hurts(rows, 0.02)
