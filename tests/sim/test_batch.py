"""Many hosts at once: the same numbers on any number of threads, and no way to break it."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.kernel_iface.host import AccessPattern, Action, Quota, Scheme, Watermarks
from damon_tuner.policies.schema import RECLAIM

from .helpers import cold_spec, page_out, running
from .reference import Region

NR_FEATURES = RECLAIM.nr_features
NR_KNOBS = RECLAIM.nr_knobs
NR_TRUTH = len(_core.TRUTH_NAMES)
NR_HOSTS = 7
STEP_US = 2_000_000


def ready(nr_hosts: int = NR_HOSTS, nr_threads: int = 1) -> _core.Batch:
    batch = _core.Batch(nr_hosts, nr_threads, 5_000, 100_000, 10, 200)
    families = sorted(_core.FAMILIES)
    for host in range(nr_hosts):
        batch.reset(host, _core.Spec(families[host % len(families)]), 40 + host, 0.02)
    return batch


def buffers(nr_hosts: int = NR_HOSTS) -> dict[str, NDArray[Any]]:
    return {
        "actions": np.zeros((nr_hosts, NR_KNOBS), dtype=np.float32),
        "observations": np.zeros((nr_hosts, NR_FEATURES), dtype=np.float32),
        "truth": np.zeros((nr_hosts, NR_TRUTH)),
    }


def state(batch: _core.Batch, nr_hosts: int = NR_HOSTS) -> list[Any]:
    return [(batch.snapshot(i), batch.knobs(i), batch.reasons(i)) for i in range(nr_hosts)]


def rollout(nr_threads: int) -> tuple[list[bytes], list[Any]]:
    batch, b, seen = ready(nr_threads=nr_threads), buffers(), []
    rng = np.random.default_rng(0)
    for _ in range(10):
        actions = rng.uniform(-1, 1, b["actions"].shape).astype(np.float32)
        batch.step(actions, STEP_US, b["observations"], b["truth"])
        seen.append(b["observations"].tobytes() + b["truth"].tobytes())
    return seen, state(batch)


@pytest.mark.parametrize("nr_threads", [2, 5, 200])
def test_threads_do_not_change_the_result(nr_threads: int) -> None:
    assert rollout(nr_threads) == rollout(1)


def test_hosts_do_not_change_each_other() -> None:
    batch, alone = ready(), _core.Batch(1, 1, 5_000, 100_000, 10, 200)
    alone.reset(0, _core.Spec(sorted(_core.FAMILIES)[3]), 43, 0.02)
    for _ in range(5):
        batch.step(None, STEP_US)
        alone.step(None, STEP_US)
    assert batch.snapshot(3) == alone.snapshot(0)


def test_a_reset_host_begins_anew_and_the_others_go_on() -> None:
    batch, other = ready(), ready()
    for each in (batch, other):
        each.step(None, STEP_US)
    spec = _core.Spec(sorted(_core.FAMILIES)[2])
    batch.reset(2, spec, 42, 0.02)
    batch.step(None, STEP_US)
    assert batch.snapshot(2) == other.snapshot(2)
    other.step(None, STEP_US)
    assert [batch.snapshot(i) for i in (0, 1, 3)] == [other.snapshot(i) for i in (0, 1, 3)]


def test_the_observation_of_a_reset_is_that_of_a_first_look() -> None:
    batch = _core.Batch(1)
    first, second = array("f", bytes(4 * NR_FEATURES)), array("f", bytes(4 * NR_FEATURES))
    batch.reset(0, _core.Spec("kv"), 1, 0.02, first)
    batch.step(None, 0, second)
    assert first == second
    assert any(first)


def test_truth_adds_up_however_time_is_cut() -> None:
    whole, parts = ready(), ready()
    once, sums, b = buffers(), np.zeros((NR_HOSTS, NR_TRUTH)), buffers()
    whole.step(None, 6_000_000, None, once["truth"])
    for us in (1_000_000, 2_500_000, 2_500_000):
        parts.step(None, us, None, b["truth"])
        sums += b["truth"]
    assert sums == pytest.approx(once["truth"])


@pytest.mark.parametrize("us", [1, 700, 5_001, 12_345])
def test_time_goes_on_as_asked_although_it_moves_by_samples(us: int) -> None:
    batch = ready(1)
    for steps in range(1, 40):
        batch.step(None, us)
        ahead = batch.snapshot(0)["time_us"] - steps * us
        assert 0 <= ahead < 5_000


def test_schemes_stay_where_no_actions_are_given() -> None:
    batch = ready(1)
    batch.set_schemes(0, [page_out(AccessPattern())])
    batch.step(None, STEP_US)
    assert batch.snapshot(0)["swapped_bytes"] > 0
    assert len(batch.snapshot(0)["scheme_stats"]) == 1


Call = Callable[[_core.Batch, dict[str, NDArray[Any]]], object]


def stepping(**changes: Callable[[NDArray[Any]], Any]) -> Call:
    def call(batch: _core.Batch, b: dict[str, NDArray[Any]]) -> object:
        changed = {name: changes.get(name, lambda a: a)(array) for name, array in b.items()}
        return batch.step(changed["actions"], STEP_US, changed["observations"], changed["truth"])

    return call


def resetting(*args: Any) -> Call:
    return lambda batch, b: batch.reset(*args)


def read_only(a: NDArray[Any]) -> NDArray[Any]:
    a = a.copy()
    a.flags.writeable = False
    return a


SPEC = _core.Spec("kv")

REFUSED: dict[str, tuple[type[Exception], Call]] = {
    "actions of one host less": (ValueError, stepping(actions=lambda a: a[1:].copy())),
    "observations too long": (
        ValueError,
        stepping(observations=lambda a: np.zeros(a.size + 1, "f")),
    ),
    "truth as float32": (ValueError, stepping(truth=lambda a: a.astype(np.float32))),
    "truth as the same bytes": (ValueError, stepping(truth=lambda a: a.view(np.float32))),
    "actions as float64": (ValueError, stepping(actions=lambda a: a.astype(np.float64))),
    "actions as integers": (ValueError, stepping(actions=lambda a: a.view(np.int32))),
    "actions as bytes": (ValueError, stepping(actions=lambda a: a.tobytes())),
    "actions as a list": (TypeError, stepping(actions=lambda a: a.tolist())),
    "actions of the other byte order": (
        ValueError,
        stepping(actions=lambda a: a.astype(a.dtype.newbyteorder())),
    ),
    "observations read-only": (ValueError, stepping(observations=read_only)),
    "observations read-only bytes": (BufferError, stepping(observations=lambda a: a.tobytes())),
    "observations with gaps": (
        ValueError,
        stepping(observations=lambda a: np.zeros((NR_HOSTS, 2 * NR_FEATURES), "f")[:, ::2]),
    ),
    "observations by columns": (
        ValueError,
        stepping(observations=lambda a: np.zeros((NR_FEATURES, NR_HOSTS), "f").T),
    ),
    "a step back": (OverflowError, lambda batch, b: batch.step(None, -1)),
    "a step of a century": (ValueError, lambda batch, b: batch.step(None, 10**15)),
    "a step beyond 64 bits": (OverflowError, lambda batch, b: batch.step(None, 2**64)),
    "a step of half a microsecond": (TypeError, lambda batch, b: batch.step(None, 0.5)),  # type: ignore[arg-type]
    "a reset of a host too far": (IndexError, resetting(NR_HOSTS, SPEC, 1, 0.02)),
    "a reset of host -1": (IndexError, resetting(-1, SPEC, 1, 0.02)),
    "a reset without a spec": (TypeError, resetting(0, "kv", 1, 0.02)),
    "a reset with half a spec": (
        ValueError,
        resetting(0, _core.Spec.__new__(_core.Spec), 1, 0.02),
    ),
    "a reset with a negative seed": (OverflowError, resetting(0, SPEC, -1, 0.02)),
    "a reset with no budget": (ValueError, resetting(0, SPEC, 1, 0.0)),
    "a reset with a negative budget": (ValueError, resetting(0, SPEC, 1, -0.1)),
    "a reset with more than everything": (ValueError, resetting(0, SPEC, 1, 1.5)),
    "a reset with no number": (ValueError, resetting(0, SPEC, 1, math.nan)),
    "a reset with a short observation": (
        ValueError,
        resetting(0, SPEC, 1, 0.02, array("f", bytes(4 * NR_FEATURES - 4))),
    ),
    "a snapshot of a host too far": (IndexError, lambda batch, b: batch.snapshot(NR_HOSTS)),
    "knobs of a host too far": (IndexError, lambda batch, b: batch.knobs(99)),
    "reasons of a host too far": (IndexError, lambda batch, b: batch.reasons(-2)),
    "parameters of a host too far": (IndexError, lambda batch, b: batch.parameters(NR_HOSTS)),
    "schemes of a host too far": (IndexError, lambda batch, b: batch.set_schemes(NR_HOSTS, [])),
    "too many schemes": (ValueError, lambda batch, b: batch.set_schemes(0, [page_out()] * 17)),
    "a scheme after a good one that is none": (
        AttributeError,
        lambda batch, b: batch.set_schemes(0, [page_out(), "pageout"]),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_call_changes_nothing(name: str) -> None:
    error, call = REFUSED[name]
    batch, untouched, b = ready(), ready(), buffers()
    for each in (batch, untouched):
        each.set_schemes(0, [page_out(AccessPattern())])
        each.step(None, STEP_US)
    with pytest.raises(error):
        call(batch, b)
    assert not any(a.any() for a in b.values())
    assert state(batch) == state(untouched)
    for each in (batch, untouched):
        each.step(None, STEP_US)
    assert state(batch) == state(untouched)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"action": "hugepages"}, ValueError),
        ({"action": None}, ValueError),
        ({"pattern": AccessPattern(min_age=3, max_age=2)}, ValueError),
        ({"pattern": AccessPattern(min_sz_bytes=2, max_sz_bytes=1)}, ValueError),
        ({"pattern": AccessPattern(min_nr_accesses=2, max_nr_accesses=1)}, ValueError),
        ({"pattern": AccessPattern(max_age=2**32)}, OverflowError),
        ({"pattern": AccessPattern(min_age=-1)}, OverflowError),
        ({"pattern": AccessPattern(min_age=0.5)}, TypeError),  # type: ignore[arg-type]
        ({"quota": Quota(sz_bytes=2**64)}, OverflowError),
        ({"quota": Quota(weight_age_permille=-1)}, OverflowError),
        ({"quota": None}, AttributeError),
        ({"watermarks": Watermarks("free_mem_rate")}, ValueError),  # type: ignore[arg-type]
        ({"watermarks": Watermarks("swap")}, ValueError),  # type: ignore[arg-type]
        ({"apply_interval_us": "1s"}, TypeError),
    ],
)
def test_a_scheme_that_makes_no_sense_is_refused(
    change: dict[str, Any], error: type[Exception]
) -> None:
    batch = ready(1)
    batch.set_schemes(0, [Scheme(Action.STAT)])
    with pytest.raises(error):
        batch.set_schemes(0, [replace(page_out(), **change)])
    batch.step(None, STEP_US)
    assert batch.snapshot(0)["swapped_bytes"] == 0


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"nr_hosts": 0}, ValueError),
        ({"nr_hosts": -1}, ValueError),
        ({"nr_threads": 0}, ValueError),
        ({"sample_us": 0}, ValueError),
        ({"sample_us": -5_000}, OverflowError),
        ({"sample_us": 100_001}, ValueError),
        ({"aggr_us": 2**63}, ValueError),
        ({"min_nr_regions": 2}, ValueError),
        ({"min_nr_regions": 1_001}, ValueError),
        ({"max_nr_regions": -1}, OverflowError),
        ({"sampler": "exact"}, ValueError),
    ],
)
def test_a_batch_that_makes_no_sense_is_refused(
    kwargs: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        _core.Batch(**{"nr_hosts": 1, **kwargs})


@pytest.mark.parametrize(
    ("family", "workload", "profile", "error"),
    [
        ("nosuch", {}, {}, KeyError),
        ("kv", {"nosuch": (1, 2)}, {}, KeyError),
        ("kv", {"hot_share": (0.1, 0.2)}, {}, KeyError),
        ("kv", {}, {"nosuch": (1, 2)}, KeyError),
        ("kv", {}, {"skew": (1, 2)}, KeyError),
        ("kv", {"skew": (2, 1)}, {}, ValueError),
        ("kv", {"skew": (-1, 1)}, {}, ValueError),
        ("kv", {"skew": (1, 5)}, {}, ValueError),
        ("kv", {"skew": (math.nan, 1)}, {}, ValueError),
        ("kv", {"threads": (1, math.inf)}, {}, ValueError),
        ("kv", {"mean_rate_hz": (5e-324, 1e6)}, {}, ValueError),
        ("kv", {}, {"memory_ratio": (0.01, 2)}, ValueError),
        ("kv", {"skew": 1}, {}, TypeError),
        ("kv", {"skew": [1, 1]}, {}, TypeError),
        ("kv", {"skew": (1, 1, 1)}, {}, TypeError),
        ("kv", [("skew", (1, 1))], {}, TypeError),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(
    family: str, workload: Any, profile: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        _core.Spec(family, workload, profile)


def test_a_host_without_an_episode_is_refused() -> None:
    batch = _core.Batch(2)
    batch.reset(0, SPEC, 1, 0.02)
    for call in (batch.snapshot, batch.knobs, batch.reasons, batch.parameters):
        with pytest.raises(RuntimeError, match="reset"):
            call(1)
    with pytest.raises(RuntimeError, match="reset"):
        batch.set_schemes(1, [])
    with pytest.raises(RuntimeError, match="reset"):
        batch.step(None, STEP_US)
    assert batch.snapshot(0)["time_us"] == 0


def test_a_batch_is_initialised_once() -> None:
    batch = ready(1)
    with pytest.raises(ValueError, match="already"):
        batch.__init__(3)  # type: ignore[misc]
    assert batch.snapshot(0)["time_us"] == 0


@pytest.mark.parametrize(
    "code",
    [
        "M.__new__(M).merge(1, 1)",
        "M.__new__(M).apply_min_nr_regions()",
        "M.__new__(M).set_attrs(1, 2)",
        "M.__new__(M).nr_accesses_mvsum(0)",
        "M(sample_us=0, min_nr_regions=2)",
        "M(min_nr_regions=0)",
        "M(min_region_sz=3)",
        "M(min_region_sz=1 << 63)",
        "M().set_regions([(0, 0, 1, 1, 1)])",
        "M().set_regions([(5, 4, 1, 1, 1)])",
        "M().set_regions([(0, 9, 1, 1, 1), (8, 12, 2, 2, 2)])",
        "M().set_regions([(0, 2**64 - 1, 1, 1, 1)])",
        "M().set_regions([(0, 9, 2**32, 1, 1)])",
        "M().set_regions([(0, 9, 1, 1)])",
        "M().set_regions([[0, 9, 1, 1, 1]])",
        "M().set_attrs(0, 0)",
        "c.hot_score(21, 1, 5_000, 100_000, 1, 1)",
        "c.hot_score(1, 1, 0, 100_000, 1, 1)",
        "c.binomial(65, 0.5, 1, 1)",
        "c.binomial(1, float('nan'), 1, 1)",
        "c.Decider.__new__(c.Decider).observe(None, None)",
        "c.Batch.__new__(c.Batch).snapshot(0)",
    ],
)
def test_the_steps_refuse_what_they_cannot_work_on(code: str) -> None:
    names = {"c": _core, "M": _core.Monitor}
    with pytest.raises((ValueError, TypeError, OverflowError, RuntimeError, IndexError)):
        eval(code, names)


def test_refused_regions_leave_those_before() -> None:
    monitor = _core.Monitor()
    monitor.set_regions([(0, 4096, 1, 2, 3)])
    with pytest.raises(ValueError, match="in order"):
        monitor.set_regions([(0, 4096, 9, 9, 9), (0, 4096, 9, 9, 9)])
    assert monitor.regions() == [Region(0, 4096, 1, 2, 3)]


class Stepping:
    """A batch that another thread steps until this is left."""

    def __init__(self) -> None:
        self.batch = _core.Batch(2, 1)
        for host in range(2):
            self.batch.reset(host, _core.Spec("phases"), host, 0.02)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.batch.step(None, 60_000_000)

    def __enter__(self) -> _core.Batch:
        self._thread.start()
        return self.batch

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize(
    "call",
    [
        lambda batch: batch.snapshot(0),
        lambda batch: batch.parameters(1),
        lambda batch: batch.region_aggregations(),
        lambda batch: batch.set_schemes(0, [page_out()]),
        lambda batch: batch.reset(0, SPEC, 1, 0.02),
        lambda batch: batch.step(None, 0),
    ],
    ids=["snapshot", "parameters", "region_aggregations", "set_schemes", "reset", "step"],
)
def test_a_batch_that_is_being_stepped_is_left_alone(
    call: Callable[[_core.Batch], object],
) -> None:
    deadline = time.monotonic() + 10
    refused = False
    with Stepping() as batch:
        while not refused and time.monotonic() < deadline:
            try:
                call(batch)
            except RuntimeError as error:
                refused = "another thread" in str(error)
    assert refused


class StepsBehindYourBack:
    """A scheme whose attributes let another thread begin a step while they are read."""

    def __init__(self, begin: Callable[[], None]) -> None:
        self._scheme, self._begin = page_out(), begin

    def __getattr__(self, name: str) -> Any:
        if name == "apply_interval_us":
            self._begin()
        return getattr(self._scheme, name)


def test_a_step_that_begins_while_schemes_are_read_is_noticed() -> None:
    batch = _core.Batch(1)
    batch.reset(0, cold_spec(), 1, 0.02)
    threads = []

    def begin() -> None:
        threads.append(threading.Thread(target=batch.step, args=(None, 5 * 10**10)))
        threads[0].start()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                batch.region_aggregations()
            except RuntimeError:
                return

    with pytest.raises(RuntimeError, match="another thread"):
        batch.set_schemes(0, [StepsBehindYourBack(begin)])
    threads[0].join()
    assert batch.snapshot(0)["scheme_stats"] == ()


def test_python_goes_on_while_a_batch_steps() -> None:
    batch = ready(4)
    begun, ended = threading.Event(), threading.Event()

    def run() -> None:
        begun.set()
        batch.step(None, 600_000_000)
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    turns = 0
    while not ended.is_set():
        turns += 1
    thread.join()
    assert turns > 1_000


# The address sanitizer ends the process where malloc would return nothing.
malloc_may_fail = pytest.mark.skipif(
    "libasan" in os.environ.get("LD_PRELOAD", ""), reason="under the address sanitizer"
)


@malloc_may_fail
def test_more_hosts_than_fit_are_an_exception() -> None:
    with pytest.raises(MemoryError):
        _core.Batch(2**62)


@malloc_may_fail
def test_running_out_of_memory_is_an_exception() -> None:
    code = (
        "import resource\n"
        "from damon_tuner import _core\n"
        "batch = _core.Batch(1, 1, 5000, 100000, 10**9, 10**10)\n"
        "spec = _core.Spec('kv', {'footprint_bytes': (2.0**46, 2.0**46)})\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\n"
        "for call in (lambda: batch.reset(0, spec, 1, 0.5), lambda: batch.snapshot(0)):\n"
        "    try:\n"
        "        call()\n"
        "    except (MemoryError, RuntimeError) as error:\n"
        "        print(type(error).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["MemoryError", "RuntimeError"]


def test_a_simulated_host_is_a_batch_of_one() -> None:
    host, batch = running(SPEC, [page_out()], seed=9), _core.Batch(1)
    batch.reset(0, SPEC, 9, 1.0)
    batch.set_schemes(0, [page_out()])
    host.advance(12.5)
    batch.step(None, 12_500_000)
    assert host.snapshot().resident_bytes == batch.snapshot(0)["resident_bytes"]
    assert len(host.snapshot().regions) == len(batch.snapshot(0)["regions"])
