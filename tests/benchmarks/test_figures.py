"""Figures are plain numbers on JSON lines, and mean what they say."""

import json
import math
from pathlib import Path

import pytest

from damon_tuner.benchmarks.figure import Figure, repeated
from damon_tuner.benchmarks.report import write_report
from damon_tuner.benchmarks.score import print_table, score_figures, summarise
from damon_tuner.benchmarks.speed import env_figures, sim_figures
from damon_tuner.training.evaluate import Result

from ..policies.helpers import random_policy


def _result(policy: str, workload: str, seed: int, saving: float) -> Result:
    return Result(policy, workload, seed, 0.02, saving, saving, 0.01, 0.0)


RESULTS = [
    _result(policy, workload, seed, saving + 0.01 * seed)
    for policy, saving in (("none", 0.0), ("learned", 0.3))
    for workload in ("kv", "phases", "diurnal")
    for seed in range(10)
]


def test_a_figure_is_one_line_of_json() -> None:
    line = repeated("a.b", [3.0, 1.0, 2.0], "1/s", hosts=4).line()
    assert json.loads(line) == {
        "figure": "a.b",
        "value": 2.0,
        "unit": "1/s",
        "min": 1.0,
        "max": 3.0,
        "runs": 3,
        "hosts": 4,
    }
    assert json.loads(Figure("x", math.nan, "share").line())["value"] is None


def test_the_interval_holds_the_mean_and_narrows_with_the_spread() -> None:
    wide = summarise([_result("p", "kv", s, s / 10) for s in range(10)], "saving")
    narrow = summarise([_result("p", "kv", s, 0.45 + s / 1000) for s in range(10)], "saving")
    assert wide.low < wide.mean < wide.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 10


def test_workloads_weigh_the_same_however_many_seeds_they_have() -> None:
    rows = [_result("p", "kv", s, 0.0) for s in range(90)]
    rows += [_result("p", "idle", s, 1.0) for s in range(10)]
    assert summarise(rows, "saving").mean == pytest.approx(0.5)


def test_scores_come_by_set_policy_and_metric() -> None:
    figures = {(f.name, f.more["set"]): f for f in score_figures(RESULTS)}
    assert len(figures) == 2 * 2 * 4
    saving = figures["score.learned.saving", "held_out_family"]
    assert saving.value == pytest.approx(0.345)
    assert saving.more["seeds"] == 10
    assert saving.more["workloads"] == 1


def test_the_table_has_a_row_a_policy_and_set() -> None:
    lines: list[str] = []
    print_table(RESULTS, lines.append)
    assert sum(line.startswith("learned") for line in lines) == 2
    assert any("34.5%" in line for line in lines)


def test_the_report_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, RESULTS, [(100, 0.1), (200, 0.2)], random_policy(), 0.02)
    page = path.read_text()
    assert page.count("<svg") == 4
    assert "by a test" in page
    assert "src=" not in page


@pytest.mark.slow
@pytest.mark.parametrize("measure", [sim_figures, env_figures])
def test_speed_is_measured(measure: object) -> None:
    (figure,) = measure()  # type: ignore[operator]
    assert figure.more["min"] <= figure.value <= figure.more["max"]
    assert figure.value > 0.0
