"""How fast the simulator and the environments are."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from damon_tuner import _core
from damon_tuner.benchmarks.figure import Figure, repeated
from damon_tuner.envs import EpisodeConfig, TunerVectorEnv
from damon_tuner.envs.workload_file import bundled_workload
from damon_tuner.policies.decision import MONITORING

_RUNS = 5
_HOSTS = 64


def sim_figures() -> list[Figure]:
    """Region aggregations a second of one core, at 200 regions."""
    rates, regions = [], []
    for run in range(_RUNS):
        batch = _core.Batch(8, 1, 5_000, 100_000, 10, MONITORING.max_nr_regions)
        spec = bundled_workload("phases").spec()
        for host in range(8):
            batch.reset(host, spec, run * 8 + host, 1.0)
        batch.step(None, 20_000_000)
        before = batch.region_aggregations()
        elapsed_s = _time(lambda batch=batch: batch.step(None, 100_000_000))  # type: ignore[misc]
        done = batch.region_aggregations() - before
        rates.append(done / elapsed_s)
        regions.append(done / (8 * 1_000))
    return [
        repeated(
            "sim.region_aggregations_per_s",
            rates,
            "1/s",
            mean_regions=round(float(np.mean(regions))),
            max_regions=MONITORING.max_nr_regions,
        )
    ]


def env_figures() -> list[Figure]:
    """Steps a second of the vector environment: 64 hosts, 2 threads, a 1 s control interval."""
    steps = 100
    env = TunerVectorEnv(_HOSTS, EpisodeConfig(interval_s=1.0), nr_threads=2)
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = env.action_space.sample()

    def run() -> None:
        for _ in range(steps):
            env.step(actions)

    run()
    rates = [steps * _HOSTS / _time(run) for _ in range(_RUNS)]
    return [repeated("env.steps_per_s", rates, "1/s", hosts=_HOSTS, threads=2, interval_s=1.0)]


def _time(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
