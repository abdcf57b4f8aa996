"""All items come back, whatever happens to who works on them."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from damon_tuner.errors import TunerError
from damon_tuner.training.workers import run_all

# Items are expressions, and eval is the function: any worker has it.
EVALUATION = """[(r.seed, r.saving, r.slowdown) for r in
    __import__("damon_tuner.training.evaluate", fromlist=["evaluate"]).evaluate(
        {"p": __import__("damon_tuner.training.evaluate", fromlist=["FixedAction"])
            .FixedAction((0.1, 0.4))},
        [__import__("damon_tuner.envs.workload_file", fromlist=["bundled_workload"])
            .bundled_workload("kv")],
        [SEED], 0.02)]"""


def evaluations(nr: int) -> list[str]:
    return [EVALUATION.replace("SEED", str(seed)) for seed in range(nr)]


def dying_once(mark: Path, value: str) -> str:
    """An item whose worker kills itself, unless one has done so before."""
    return (
        f"({value}) if __import__('os').path.exists({str(mark)!r}) else "
        f"(open({str(mark)!r}, 'w').close(), __import__('os').kill(__import__('os').getpid(), 9))"
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_every_item_comes_back_with_its_index(workers: int) -> None:
    items = [9.0, 4.0, 1.0, 0.0, 16.0]
    found = dict(run_all(math.sqrt, items, workers=workers))
    assert found == {0: 3.0, 1: 2.0, 2: 1.0, 3: 0.0, 4: 4.0}


def test_no_items_need_no_workers() -> None:
    assert list(run_all(math.sqrt, [], workers=2)) == []


def test_what_is_done_first_comes_first() -> None:
    items = ["__import__('time').sleep(30)", "1"]
    results = run_all(eval, items, workers=2)
    started = time.monotonic()
    assert next(results) == (1, 1)
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 20.0


@pytest.mark.parametrize("workers", [1, 2])
def test_what_an_item_raises_is_raised_with_its_traceback(workers: int) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        list(run_all(eval, ["1", "1 / 0"], workers=workers))
    if workers > 1:
        assert "ZeroDivisionError" in "".join(caught.value.__notes__)


def test_a_killed_workers_item_is_run_again(tmp_path: Path) -> None:
    items = [*evaluations(3), dying_once(tmp_path / "mark", evaluations(1)[0])]
    found = dict(run_all(eval, items, workers=2))
    assert found == dict(enumerate(map(eval, evaluations(3)))) | {3: found[0]}


def test_an_item_that_kills_every_worker_is_an_error() -> None:
    with pytest.raises(TunerError, match="item 1 died 3 times"):
        list(
            run_all(eval, ["1", "__import__('os').kill(__import__('os').getpid(), 9)"], workers=2)
        )


MAIN = """
from damon_tuner.cli import main
from damon_tuner.signals import Stopped, stop_on_signals
from damon_tuner.training.workers import run_all
if __name__ == "__main__":
    try:
        with stop_on_signals():
            items = ["__import__('os').getpid()"] * 2 + ["__import__('time').sleep(60)"] * 2
            for index, pid in run_all(eval, items, workers=2):
                print(pid, flush=True)
    except Stopped:
        print("stopped", flush=True)
"""


def test_ctrl_c_ends_all_without_a_traceback(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(MAIN)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        pids = [int(process.stdout.readline()) for _ in range(2)]
        # as a terminal does: to every process of the group
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "stopped\n"
        assert process.stderr.read() == ""
        assert process.wait() == 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A Ray cluster of three workers on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        # no token in the home directory; and nothing of how many GPUs there are
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3})
        try:
            yield cluster.address
        finally:
            cluster.shutdown()


def test_a_cluster_gives_the_local_results_though_a_worker_is_killed(
    cluster: str, tmp_path: Path
) -> None:
    items = evaluations(8)
    here = dict(run_all(eval, items))
    items[4] = dying_once(tmp_path / "mark", items[4])
    assert dict(run_all(eval, items, ray=cluster)) == here
    assert (tmp_path / "mark").exists()


def test_what_an_item_raises_on_a_cluster_is_raised(cluster: str) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        list(run_all(eval, ["1", "1 / 0"], ray=cluster))
    assert "ZeroDivisionError" in "".join(caught.value.__notes__)


def test_a_cluster_that_is_not_there_is_an_error() -> None:
    with pytest.raises(TunerError, match=r"no Ray cluster at 127\.0\.0\.1:1 "):
        list(run_all(eval, ["1"], ray="127.0.0.1:1"))
