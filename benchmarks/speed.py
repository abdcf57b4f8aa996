"""How fast the simulator, the environments and training are.

One core's speed is measured in CPU time of the process, which on a shared machine varies less than
what a clock shows. Two things are compared in turns within one run, as ratios.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Literal

import numpy as np

from damon_tuner import _core
from damon_tuner.benchmarks.figure import Figure, repeated
from damon_tuner.envs import EpisodeConfig, TunerVectorEnv
from damon_tuner.kernel_iface.host import AccessPattern, Action, Quota, Scheme

RUNS = 7
"""How often each is measured."""

_HOSTS = 64
_GIB = 1 << 30
_MAX_REGIONS = 200
_RANGES = 128

# A scheme with everything that costs time: a size quota, and priorities to fill it by.
_SCHEME = Scheme(
    action=Action.PAGEOUT,
    pattern=AccessPattern(min_sz_bytes=4096, max_nr_accesses=0, min_age=100),
    quota=Quota(sz_bytes=4 << 20, reset_interval_ms=1_000, weight_age_permille=1_000),
)


def _spec(footprint_bytes: float) -> _core.Spec:
    """A load that needs all the regions there are: many ranges, each at a rate of its own."""
    edges = np.linspace(0.0, footprint_bytes, _RANGES + 1)
    rates = 10.0 ** np.random.default_rng(0).uniform(-3.0, 2.5, _RANGES)
    program = np.column_stack([np.zeros(_RANGES), edges[:-1], edges[1:], rates])
    size = (footprint_bytes, footprint_bytes)
    return _core.Spec("recorded", {"footprint_bytes": size}, program=program)


def _batch(
    nr_hosts: int,
    seed: int,
    *,
    nr_threads: int = 1,
    sampler: Literal["binomial", "per-check"] = "binomial",
    footprint_gib: int = 64,
) -> _core.Batch:
    """Hosts that have settled: at most 200 regions each, at the kernel's intervals."""
    batch = _core.Batch(nr_hosts, nr_threads, 5_000, 100_000, 10, _MAX_REGIONS, sampler)
    spec = _spec(float(footprint_gib * _GIB))
    for host in range(nr_hosts):
        batch.reset(host, spec, seed * nr_hosts + host, 1.0)
        batch.set_schemes(host, (_SCHEME,))
    batch.step(None, 20_000_000)
    return batch


def sim_figures(runs: int = RUNS) -> list[Figure]:
    """One core: sampling, merge, split and schemes together, and what that makes of time."""
    ns, regions = [], []
    for run in range(runs):
        batch = _batch(8, run)
        before = batch.region_aggregations()
        elapsed_s = _cpu_s(lambda batch=batch: batch.step(None, 60_000_000))  # type: ignore[misc]
        done = batch.region_aggregations() - before
        ns.append(elapsed_s / done * 1e9)
        regions.append(done / (8 * 600))
    about = {"mean_regions": round(float(np.mean(regions))), "clock": "CPU time"}
    return [
        repeated("sim.ns_per_region_aggregation", ns, "ns", **about),
        repeated("sim.region_aggregations_per_s", [1e9 / x for x in ns], "1/s", **about),
        _speedup_over_reference(runs),
        _simulated_s_per_s(runs),
        _cost_growth(runs),
        _thread_speedup(runs),
    ]


def _speedup_over_reference(runs: int) -> Figure:
    """The sampler that draws windows, against the one that makes every check."""

    def ratio(run: int) -> float:
        fast, reference = _batch(4, run), _batch(4, run, sampler="per-check")
        return _cpu_s(lambda: reference.step(None, 10_000_000)) / _cpu_s(
            lambda: fast.step(None, 10_000_000)
        )

    return repeated("sim.speedup_over_reference", [ratio(run) for run in range(runs)], "x")


def _simulated_s_per_s(runs: int) -> Figure:
    seconds = []
    for run in range(runs):
        batch = _batch(1, run, footprint_gib=64)
        seconds.append(200.0 / _cpu_s(lambda batch=batch: batch.step(None, 200_000_000)))  # type: ignore[misc]
    return repeated("sim.simulated_s_per_s", seconds, "1", footprint_gib=64, clock="CPU time")


def _cost_growth(runs: int) -> Figure:
    """Time of a region's aggregation on a host of 4 TiB over that on one of 64 GiB."""

    def ns(footprint_gib: int, run: int) -> float:
        batch = _batch(4, run, footprint_gib=footprint_gib)
        before = batch.region_aggregations()
        elapsed_s = _cpu_s(lambda: batch.step(None, 40_000_000))
        return elapsed_s / (batch.region_aggregations() - before)

    ratios = [ns(4096, run) / ns(64, run) for run in range(runs)]
    return repeated("sim.cost_growth", ratios, "x", from_gib=64, to_gib=4096)


def _thread_speedup(runs: int) -> Figure:
    """Two threads on two CPUs, over one thread on the average of these CPUs.

    The CPUs of a shared machine differ in speed from one moment to the next, so that each is asked
    alone as well, in turns, and what is usual counts: the rare best moments are not shared fairly.
    """
    cpus = sorted(os.sched_getaffinity(0))[:2]

    def ratio(run: int) -> float:
        one, two = _batch(_HOSTS, run), _batch(_HOSTS, run, nr_threads=2)
        turns_s = [
            [_on({cpu}, lambda: one.step(None, 5_000_000)) for cpu in cpus]
            + [_on(set(cpus), lambda: two.step(None, 5_000_000))]
            for _ in range(15)
        ]
        *alone, both = 1.0 / np.median(turns_s, axis=0)
        return float(both / np.mean(alone))

    return repeated(
        "sim.thread_speedup", [ratio(run) for run in range(runs)], "x", threads=2, hosts=_HOSTS
    )


def _on(cpus: set[int], work: Callable[[], None]) -> float:
    """Seconds that @work takes on @cpus."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        return _wall_s(work)
    finally:
        os.sched_setaffinity(0, before)


def env_figures(runs: int = RUNS) -> list[Figure]:
    """The vector environment: 64 hosts, 2 threads, a 1 s control interval."""
    steps = 100
    env = TunerVectorEnv(_HOSTS, EpisodeConfig(interval_s=1.0), nr_threads=2)
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = env.action_space.sample()

    def run() -> None:
        for _ in range(steps):
            env.step(actions)

    run()
    rates = [steps * _HOSTS / _wall_s(run) for _ in range(runs)]
    return [
        repeated("env.steps_per_s", rates, "1/s", hosts=_HOSTS, threads=2, interval_s=1.0),
        _python_us_per_host(runs),
    ]


def _python_us_per_host(runs: int) -> Figure:
    """What a step of the environment takes beside the simulator's own, in turns with that."""
    env = TunerVectorEnv(_HOSTS, EpisodeConfig(interval_s=0.1, episode_s=1e6))
    env.reset(seed=0)
    batch = env.batch
    observations = np.zeros((batch.nr_rows, batch.schema.nr_features), dtype=np.float32)
    truth = np.zeros((batch.nr_rows, len(_core.TRUTH_NAMES)))
    actions = np.zeros((batch.nr_rows, batch.schema.nr_knobs), dtype=np.float32)
    steps = 500

    def whole() -> None:
        for _ in range(steps):
            env.step(actions)

    def simulator() -> None:
        for _ in range(steps):
            batch.core.step(actions, 100_000, observations, truth)

    whole()
    us = [(_cpu_s(whole) - _cpu_s(simulator)) / (steps * _HOSTS) * 1e6 for _ in range(runs)]
    return repeated("env.python_us_per_host", us, "us", hosts=_HOSTS, clock="CPU time")


def _cpu_s(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _wall_s(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
