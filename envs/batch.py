"""Episodes on many simulated hosts: what every environment here is a view of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.envs.reward import Floats, Outcome, RewardWeights, outcome, reward
from damon_tuner.envs.workload_file import Workload, training_workloads
from damon_tuner.kernel_iface.host import MonitoringAttrs
from damon_tuner.policies.decision import CONTROL_INTERVAL_S, MONITORING

NR_FEATURES = len(_core.OBSERVATION_NAMES)
NR_KNOBS = len(_core.KNOB_NAMES)
NR_TRUTH = len(_core.TRUTH_NAMES)

Observations = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EpisodeConfig:
    """What episodes are made of.

    ``workloads`` are drawn with equal probability; ``budget`` is a range of slowdown shares, from
    which each episode's is drawn log-uniformly.
    """

    workloads: tuple[Workload, ...] = field(default_factory=training_workloads)
    interval_s: float = CONTROL_INTERVAL_S
    episode_s: float = 900.0
    budget: tuple[float, float] = (0.005, 0.1)
    attrs: MonitoringAttrs = MONITORING
    weights: RewardWeights = field(default_factory=RewardWeights)

    @property
    def episode_steps(self) -> int:
        """Control intervals in an episode."""
        return max(1, round(self.episode_s / self.interval_s))


@dataclass(frozen=True, slots=True)
class StepResult:
    """One control interval of every host; arrays have one row a host.

    ``observations`` is a copy that the caller may keep. ``done`` marks hosts whose episode ended
    with this step: they wait for :meth:`SimBatch.reset_host`. ``truth`` (hosts, T) is what only
    the simulator knows of the interval.
    """

    observations: Observations
    rewards: Floats
    done: NDArray[np.bool_]
    outcome: Outcome
    truth: Floats


class SimBatch:
    """``nr_hosts`` simulated hosts, stepped together on ``nr_threads`` threads.

    Each host has a random generator of its own, so that its episodes depend on ``seed`` and its
    index alone.
    """

    def __init__(self, config: EpisodeConfig, nr_hosts: int, nr_threads: int = 1) -> None:
        intervals = config.attrs.intervals
        self.config = config
        self.nr_hosts = nr_hosts
        self.budget = np.full(nr_hosts, config.budget[0])
        self.core = _core.Batch(
            nr_hosts,
            nr_threads,
            intervals.sample_us,
            intervals.aggr_us,
            config.attrs.min_nr_regions,
            config.attrs.max_nr_regions,
        )
        self._specs = [workload.spec() for workload in config.workloads]
        self._workload = np.zeros(nr_hosts, dtype=np.int64)
        self._step_in_episode = np.zeros(nr_hosts, dtype=np.int64)
        self._observations = np.zeros((nr_hosts, NR_FEATURES), dtype=np.float32)
        self._truth = np.zeros((nr_hosts, NR_TRUTH))
        self._interval_us = round(config.interval_s * 1e6)
        self.seed(None)

    def seed(self, seed: int | None) -> None:
        """Seed every host's generator; the next episodes follow from it."""
        root = np.random.SeedSequence(seed)
        self._rngs = [np.random.default_rng(child) for child in root.spawn(self.nr_hosts)]

    def reset(self) -> Observations:
        """Begin a new episode everywhere; returns (hosts, F)."""
        for host in range(self.nr_hosts):
            self.reset_host(host)
        return self._observations.copy()

    def stagger(self) -> None:
        """Shorten the running episodes by random parts, so that they do not end together."""
        for host, rng in enumerate(self._rngs):
            self._step_in_episode[host] = rng.integers(self.config.episode_steps)

    def reset_host(self, host: int) -> Observations:
        """Begin a new episode on one host; returns its first observation, (F,)."""
        rng = self._rngs[host]
        workload = int(rng.integers(len(self._specs)))
        low, high = np.log(self.config.budget)
        budget = float(np.exp(rng.uniform(low, high)))
        return self.begin(host, workload, int(rng.integers(2**63)), budget)

    def begin(self, host: int, workload: int, seed: int, budget: float) -> Observations:
        """Begin a chosen episode on one host; returns its first observation, (F,)."""
        self.core.reset(host, self._specs[workload], seed, budget, self._observations[host])
        self.budget[host] = budget
        self._workload[host] = workload
        self._step_in_episode[host] = 0
        observation: Observations = self._observations[host].copy()
        return observation

    def step(self, actions: NDArray[np.floating[Any]] | None) -> StepResult:
        """Run one control interval under ``actions`` (hosts, K), or with the schemes as set."""
        if actions is not None:
            actions = np.ascontiguousarray(actions, dtype=np.float32)
        self.core.step(actions, self._interval_us, self._observations, self._truth)
        self._step_in_episode += 1
        result = outcome(self._truth)
        return StepResult(
            observations=self._observations.copy(),
            rewards=reward(result, self.budget, self.config.weights),
            done=self._step_in_episode >= self.config.episode_steps,
            outcome=result,
            truth=self._truth.copy(),
        )

    def info(self, host: int, result: StepResult) -> Mapping[str, Any]:
        """What is known of one host's last interval, for people and reports."""
        slowdown = float(result.outcome.slowdown[host])
        budget = float(self.budget[host])
        return {
            "saving": float(result.outcome.saving[host]),
            "slowdown": slowdown,
            "budget": budget,
            "breach": slowdown > budget,
            "workload": self.config.workloads[int(self._workload[host])].name,
            "knobs": self.core.knobs(host),
            "guard": self.core.reasons(host),
        }
