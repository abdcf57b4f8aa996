"""The simulator stays as close to the recorded kernel as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from damon_tuner.benchmarks.fidelity.compare import UNITS, pattern_figures
from damon_tuner.benchmarks.fidelity.damos import scheme_figures
from damon_tuner.benchmarks.fidelity.golden import GOLDEN, OPERATIONS, PATTERNS, golden, runs
from damon_tuner.benchmarks.fidelity.plot import draw_fidelity
from damon_tuner.benchmarks.fidelity.record import all_jobs
from damon_tuner.benchmarks.fidelity.recording import SUFFIX, load

LEAST_AGGREGATIONS = 200
MOST_BYTES = 600 << 10


def test_every_recording_is_there_and_small() -> None:
    files = list(GOLDEN.glob(f"*{SUFFIX}"))
    assert {file.name for file in files} == {f"{job.name}{SUFFIX}" for job in all_jobs()}
    assert sum(file.stat().st_size for file in files) < MOST_BYTES


@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_recordings_are_whole(pattern: str, operations: str) -> None:
    for run in runs(pattern, operations):
        recording = golden(pattern, operations, run)
        assert len(recording.time_s) >= LEAST_AGGREGATIONS
        assert recording.about["lost_events"] == 0
        assert recording.about["kernel"].startswith("7.3.")
        # the emulator kept the interval that was asked for
        assert 0.005 <= recording.sample_s < 0.0054
        assert recording.rates[-1, 1] > 0.9 * recording.time_s[-1]
        for regions in recording.regions:
            assert (regions.start[1:] >= regions.end[:-1]).all()
            assert regions.nr_accesses.max() <= 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "operations"),
    [("stationary", "vaddr"), ("moving", "vaddr"), ("moving", "paddr"), ("scan", "paddr")],
)
def test_the_simulator_is_close(pattern: str, operations: str) -> None:
    figures = {
        figure.name.rpartition(".")[2]: figure for figure in pattern_figures(pattern, operations)
    }
    assert set(figures) == set(UNITS)
    assert figures["nr_accesses_wasserstein"].value < 0.06
    assert abs(figures["regions_difference"].value) < 0.35
    assert figures["hot_precision"].value > 0.85
    assert figures["hot_recall"].value > 0.85
    for figure in figures.values():
        assert "NaN" not in json.dumps(json.loads(figure.line()))


def test_schemes_do_as_much_and_goals_give_the_same_quotas() -> None:
    figures = {figure.name.rpartition(".")[2]: figure.value for figure in scheme_figures()}
    assert figures["tried_ratio"] == pytest.approx(1.0, abs=0.05)
    assert figures["applied_ratio"] == pytest.approx(1.0, abs=0.05)
    assert figures["effective_quota_ratio"] == 1.0
    assert figures["equal_quotas"] == 1.0


@pytest.mark.slow
def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw_fidelity(tmp_path / "picture.png", ("stairs",))
    assert (tmp_path / "picture.png").stat().st_size > 20_000


def test_a_recording_of_a_scheme_has_what_schemes_did() -> None:
    recording = load(GOLDEN / f"pageout_quota.vaddr.1{SUFFIX}")
    assert recording.stats[-1, 1] > recording.stats[0, 1]
    assert recording.samples[-1, 2] > 0
