"""What the daemon costs on this machine: memory, the time of a decision, the time to the first."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from damon_tuner.benchmarks.daemon.process import SAMPLE_S
from damon_tuner.benchmarks.figure import Figure, repeated
from damon_tuner.daemon.chooser import Asked, Chooser, trusted_policy
from damon_tuner.daemon.service import PRETRAINED
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.host import Intervals, Region, SchemeStats, Snapshot
from damon_tuner.policies.decision import DEFAULT_BUDGET, MONITORING, GuardLimits
from damon_tuner.policies.rules import STATIC_POLICIES

_HOURS = 3
_STARTS = 9
_DECISIONS = 5_000
_MIB, _PAGE = 1 << 20, 4096

# What was not needed at the start is loaded by then.
_WARM_MINUTES = 20


def cost_figures() -> Iterator[Figure]:
    """Measure all of it; some minutes."""
    yield from _memory()
    yield _first_decision()
    yield from (_decision(nr_regions) for nr_regions in (MONITORING.max_nr_regions, 1_000))


def _memory() -> Iterator[Figure]:
    runs = [json.loads(_run("hour")) for _ in range(_HOURS)]
    after_mib = [run["rss_kib"][-1] / 1024 for run in runs]
    more = {"decisions": [run["decisions"] for run in runs], "interval_s": 1, "fake_host": True}
    yield repeated("daemon.rss_mib", after_mib, "MiB", **more)
    slopes = [_slope(run["rss_kib"][_WARM_MINUTES:]) for run in runs]
    yield repeated("daemon.rss_slope", slopes, "KiB/h", after_min=_WARM_MINUTES, **more)


def _slope(rss_kib: list[float]) -> float:
    hours = [minute * SAMPLE_S / 3_600 for minute in range(len(rss_kib))]
    return statistics.linear_regression(hours, rss_kib).slope


def _first_decision() -> Figure:
    times_s = []
    for _ in range(_STARTS):
        began = time.monotonic()
        with _started("first") as process:
            assert process.stdout is not None
            if process.stdout.readline() != "decided\n":
                raise TunerError("the daemon did not come to a decision")
            times_s.append(time.monotonic() - began)
    return repeated("daemon.first_decision_s", times_s, "s", fake_host=True)


def _decision(nr_regions: int) -> Figure:
    """From a snapshot to schemes: observation, network, guard, plan, envelope."""
    asked = Asked(DEFAULT_BUDGET, GuardLimits())
    chooser = Chooser(trusted_policy(PRETRAINED), STATIC_POLICIES["damon_reclaim"], asked)
    rng, times_ms, cpu_ms = random.Random(1), [], []
    for number in range(_DECISIONS):
        snapshot = snapshot_of(number, nr_regions, rng)
        began_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        chooser.decide(snapshot, ())
        cpu_ms.append((time.thread_time_ns() - cpu_ns) / 1e6)
        times_ms.append((time.perf_counter_ns() - began_ns) / 1e6)
    more = {
        "median": statistics.median(times_ms),
        # where the machine does something else meanwhile, this is what is left
        "cpu_p99": _p99(cpu_ms),
        "max": max(times_ms),
        "decisions": _DECISIONS,
        "regions": nr_regions,
    }
    suffix = "" if nr_regions == MONITORING.max_nr_regions else f".{nr_regions}_regions"
    return Figure(f"daemon.decision_p99_ms{suffix}", _p99(times_ms), "ms", more)


def _p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * len(values))]


def snapshot_of(number: int, nr_regions: int, rng: random.Random) -> Snapshot:
    """Make the snapshot of a tenant with so many regions, some of them hot."""
    ends = sorted(rng.sample(range(1, nr_regions * _MIB // _PAGE), nr_regions - 1))
    edges = [at * _PAGE for at in (0, *ends, nr_regions * _MIB // _PAGE)]
    regions = tuple(
        Region(start, end, rng.choice((0, 0, 0, 3, 20)), rng.randrange(3_000))
        for start, end in pairwise(edges)
    )
    return Snapshot(
        time_us=number * 5_000_000,
        intervals=Intervals(),
        regions=regions,
        scheme_stats=(SchemeStats(sz_tried_bytes=number * _MIB),),
        resident_bytes=nr_regions * _MIB,
        swapped_bytes=0,
        compressed_bytes=0,
        memory_total_bytes=4 * nr_regions * _MIB,
        memory_free_bytes=nr_regions * _MIB,
        swap_total_bytes=nr_regions * _MIB,
        swap_free_bytes=nr_regions * _MIB,
        major_faults=number,
        cpu_time_us=number * 2_500_000,
        psi_some_us=0,
        swap_in_us=20.0,
    )


def _started(what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "damon_tuner.benchmarks.daemon.process", what]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_project())


def _run(what: str) -> str:
    with _started(what) as process:
        out, _ = process.communicate()
    if process.returncode:
        raise TunerError("the daemon's process failed, and says why above")
    return out.splitlines()[-1]


def _project() -> Path:
    return Path(__file__).resolve().parents[2]
