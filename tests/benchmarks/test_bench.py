"""A benchmark keeps what it has measured, goes on where it stopped, and can be replayed."""

from __future__ import annotations

import errno
import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from damon_tuner.benchmarks.bench import run as bench_run
from damon_tuner.benchmarks.bench import store as bench_store
from damon_tuner.benchmarks.bench.cells import Cell, Row, measure, search_effort
from damon_tuner.benchmarks.bench.entry import POLICY, policy_entries, rule_entries
from damon_tuner.benchmarks.bench.plan import Plan
from damon_tuner.benchmarks.bench.replay import is_same, replay
from damon_tuner.benchmarks.bench.run import read_results, run_bench
from damon_tuner.benchmarks.bench.store import Store
from damon_tuner.benchmarks.report import write_report
from damon_tuner.benchmarks.sets import HELD_OUT, evaluation_sets
from damon_tuner.cli import main
from damon_tuner.errors import TunerError
from damon_tuner.policies.policy_file import save_policy
from damon_tuner.signals import Stopped
from damon_tuner.training.parameter_search import FINALISTS

from ..policies.helpers import random_policy

SETS = {HELD_OUT: evaluation_sets([HELD_OUT])[HELD_OUT][:1]}
RULES = rule_entries(["none", "pageout_30s"])
PLAN = Plan(SETS, RULES, (0.01, 0.05), seeds=12, episode_s=60.0)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training seeds of a policy."""
    folder = tmp_path_factory.mktemp("policies")
    for seed in range(2):
        (folder / str(seed)).mkdir()
        save_policy(random_policy(seed=seed), folder / str(seed) / "policy.safetensors")
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, policies: Path) -> Store:
    """A finished benchmark with everything in it."""
    store = Store(tmp_path_factory.mktemp("bench") / "out")
    learned = policy_entries(f"learned={policies}")
    plan = replace(PLAN, entries=(*learned, *RULES), budgets=(0.02,), search_steps=2 * 14 * 12)
    run_bench(plan, store)
    return store


def test_every_contender_meets_every_episode(finished: Store) -> None:
    results = read_results(finished)
    panel = results.panel(HELD_OUT, 0.02)
    assert set(panel.contenders) == {
        "learned",
        "none",
        "pageout_30s",
        "searched_tpe",
        "searched_random",
        "searched_pageout_30s",
        "searched_tpe_per_workload",
        "searched_random_per_workload",
    }
    assert panel.strata["learned"][0].values["saving"].shape == (2, 12)
    assert panel.strata["none"][0].values["saving"].shape == (1, 12)
    assert (panel.strata["none"][0].values["score"] <= 1.0).sum() >= 1


def test_a_row_says_what_it_takes_to_run_it_again(finished: Store) -> None:
    for row in read_results(finished).rows:
        found, again = replay(finished, row["row_id"], SETS)
        assert found == row
        assert is_same(row, again)
        assert (row["kind"] == POLICY) == bool(row["policy_sha256"])
        assert row["workload_digest"] and row["code"] and row["sets_version"]


def test_a_replay_that_differs_fails(
    finished: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = read_results(finished).rows
    row = next(row for row in rows if row["contender"] == "pageout_30s")
    command = ["bench", "--out", str(finished.folder), "--replay", row["row_id"]]
    assert main(command) == 0
    assert "the same to the bit" in capsys.readouterr().out
    path = next((finished.folder / "episodes").glob(row["row_id"].partition(".")[0] + "*"))
    before = path.read_bytes()
    table = pq.read_table(path).to_pylist()
    table[0]["slowdown"] += 1e-16
    pq.write_table(bench_store.pa.Table.from_pylist(table), path)
    try:
        assert main(command) == 1
        assert "different" in capsys.readouterr().out
    finally:
        path.write_bytes(before)


def test_a_row_that_is_not_there_is_an_error(finished: Store) -> None:
    for row_id in ("nonsense", "0" * 16 + ".0", read_results(finished).rows[0]["row_id"] + "99"):
        with pytest.raises(TunerError, match="has no row"):
            finished.row(row_id)


def test_an_interrupted_benchmark_goes_on_and_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run_bench(PLAN, Store(tmp_path / "whole"))
    measured: list[Cell] = []

    def stopping(cell: Cell) -> list[Row]:
        if len(measured) == 3:
            raise Stopped
        measured.append(cell)
        return measure(cell)

    monkeypatch.setattr(bench_run, "measure", stopping)
    store = Store(tmp_path / "parts")
    with pytest.raises(Stopped):
        run_bench(PLAN, store)
    with pytest.raises(TunerError, match="no finished benchmark"):
        read_results(store)
    monkeypatch.setattr(bench_run, "measure", lambda cell: measured.append(cell) or measure(cell))
    again = run_bench(PLAN, Store(tmp_path / "parts"))
    # no cell twice: 2 blocks of seeds, of bounds and of each rule at each budget
    assert len(measured) == len(set(map(repr, measured))) == 2 + 2 * 2 * 2
    assert again.rows == whole.rows


def test_more_seeds_measure_only_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(PLAN, budgets=(0.02,), seeds=10)
    run_bench(plan, Store(tmp_path))
    measured: list[Cell] = []
    monkeypatch.setattr(bench_run, "measure", lambda cell: measured.append(cell) or measure(cell))
    results = run_bench(replace(plan, seeds=20), Store(tmp_path))
    assert {cell.seeds for cell in measured} == {tuple(range(10, 20))}  # type: ignore[union-attr]
    assert results.panel(HELD_OUT, 0.02).about["seeds"] == 20


def test_workers_and_this_process_measure_the_same(tmp_path: Path) -> None:
    plan = replace(PLAN, budgets=(0.02,), seeds=3)
    here = run_bench(plan, Store(tmp_path / "one"))
    there = run_bench(plan, Store(tmp_path / "two"), workers=2)
    assert here.rows == there.rows


def test_a_damaged_file_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    plan = replace(PLAN, budgets=(0.02,), seeds=2)
    store = Store(tmp_path)
    whole = run_bench(plan, store)
    path = next((tmp_path / "episodes").iterdir())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TunerError, match=rf"{path.name} is damaged .*delete it"):
        run_bench(plan, store)
    path.unlink()
    with pytest.raises(TunerError, match="is not finished"):
        read_results(store)
    assert run_bench(plan, store).rows == whole.rows


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(PLAN, budgets=(0.02,), seeds=2)
    written: list[Path] = []
    write = bench_store.write_whole

    def full(path: Path, content: bytes) -> None:
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)
        written.append(path)

    monkeypatch.setattr(bench_store, "write_whole", full)
    with pytest.raises(TunerError, match=r"No space left on device; what is finished is kept"):
        run_bench(plan, Store(tmp_path))
    assert all(path.is_file() for path in written)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(written)
    monkeypatch.undo()
    assert run_bench(plan, Store(tmp_path)).rows


@pytest.mark.parametrize("what", ["code", "sets_version"])
def test_results_of_other_code_or_sets_are_not_mixed(tmp_path: Path, what: str) -> None:
    Store(tmp_path).begin()
    about = json.loads((tmp_path / "bench.json").read_text())
    (tmp_path / "bench.json").write_text(json.dumps({**about, what: "other"}))
    with pytest.raises(TunerError, match="which do not mix: give another --out"):
        Store(tmp_path)
    (tmp_path / "bench.json").write_text("{")
    with pytest.raises(TunerError, match="is damaged"):
        Store(tmp_path)


def test_searches_take_as_many_steps_as_they_are_given() -> None:
    for steps, nr_workloads in ((400_000, 7), (400_000, 1), (4_000_000, 7)):
        effort = search_effort(steps, 180, nr_workloads)
        episodes = effort.trials * effort.seeds + (FINALISTS + 1) * effort.final_seeds
        assert 0.9 * steps < episodes * nr_workloads * 180 <= steps
        assert effort.trials >= 100


def test_the_report_stands_alone(finished: Store, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, read_results(finished), random_policy(), SETS[HELD_OUT][0], [(1, 0.1)])
    page = path.read_text()
    assert page.count("<svg") == 5
    assert "by a test" in page
    assert "src=" not in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sets", "held_out"], "no set is called 'held_out'.*held_out_"),
        (["--rules", "pageout_3s"], "no rule is called 'pageout_3s'; did you mean 'pageout_30s'"),
        (["--policy", "a.safetensors"], "a.safetensors"),
    ],
)
def test_what_is_misspelt_is_named(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--out", str(tmp_path / "out"), *options]) == 1
    assert re.search(message, capsys.readouterr().err)
