"""Episodes on many simulated hosts: what every environment here is a view of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.envs.reward import Floats, Outcome, RewardWeights, outcome, reward
from damon_tuner.envs.workload_file import Workload, training_workloads
from damon_tuner.kernel_iface.host import MonitoringAttrs
from damon_tuner.policies.decision import CONTROL_INTERVAL_S, MONITORING
from damon_tuner.policies.schema import Schema, schema_of

NR_TRUTH = len(_core.TRUTH_NAMES)

Observations = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EpisodeConfig:
    """What episodes are made of.

    ``workloads`` are drawn with equal probability; ``budget`` is a range of slowdown shares, from
    which each episode's is drawn log-uniformly. With several ``tenants``, each host runs so many
    loads on the memory of the first one's profile, each with a budget of its own. So many
    ``replicas``, hosts that follow one another, have the same episodes: they differ by what was
    done there. ``groups`` are the knobs that are set, and with them what is observed.
    """

    workloads: tuple[Workload, ...] = field(default_factory=training_workloads)
    interval_s: float = CONTROL_INTERVAL_S
    episode_s: float = 900.0
    budget: tuple[float, float] = (0.005, 0.1)
    attrs: MonitoringAttrs = MONITORING
    weights: RewardWeights = field(default_factory=RewardWeights)
    tenants: int = 1
    replicas: int = 1
    groups: tuple[str, ...] = ("reclaim",)

    @property
    def schema(self) -> Schema:
        """What is observed and set, F features and K knobs; raises what ``schema_of`` does."""
        return schema_of(self.groups)

    @property
    def episode_steps(self) -> int:
        """Control intervals in an episode."""
        return max(1, round(self.episode_s / self.interval_s))


@dataclass(frozen=True, slots=True)
class StepResult:
    """One control interval of every host; arrays have one row a tenant, host after host.

    ``observations`` is a copy that the caller may keep. ``done`` marks the rows of hosts whose
    episode ended with this step: they wait for :meth:`SimBatch.reset_host`. ``truth`` (rows, T)
    is what only the simulator knows of the interval.
    """

    observations: Observations
    rewards: Floats
    done: NDArray[np.bool_]
    outcome: Outcome
    truth: Floats


class SimBatch:
    """``nr_hosts`` simulated hosts, stepped together on ``nr_threads`` threads.

    Each host has a random generator of its own, so that its episodes depend on ``seed`` and its
    index alone. A row is a tenant of a host; there are ``nr_rows`` of them.
    """

    def __init__(self, config: EpisodeConfig, nr_hosts: int, nr_threads: int = 1) -> None:
        intervals = config.attrs.intervals
        self.config = config
        self.schema = config.schema
        self.nr_hosts = nr_hosts
        self.nr_rows = nr_hosts * config.tenants
        self.budget = np.full(self.nr_rows, config.budget[0])
        self.core = _core.Batch(
            nr_hosts,
            nr_threads,
            intervals.sample_us,
            intervals.aggr_us,
            config.attrs.min_nr_regions,
            config.attrs.max_nr_regions,
            nr_tenants=config.tenants,
            groups=self.schema.groups,
        )
        self._specs = [workload.spec() for workload in config.workloads]
        self._workload = np.zeros(self.nr_rows, dtype=np.int64)
        self._step_in_episode = np.zeros(nr_hosts, dtype=np.int64)
        self._observations = np.zeros((self.nr_rows, self.schema.nr_features), dtype=np.float32)
        self._truth = np.zeros((self.nr_rows, NR_TRUTH))
        self._interval_us = round(config.interval_s * 1e6)
        self.seed(None)

    @classmethod
    def with_rows(cls, config: EpisodeConfig, nr_rows: int, nr_threads: int = 1) -> SimBatch:
        """As many hosts as have ``nr_rows`` tenants; raises ``ValueError`` if none have."""
        if nr_rows % config.tenants:
            raise ValueError(f"{nr_rows} environments are not hosts of {config.tenants} tenants")
        return cls(config, nr_rows // config.tenants, nr_threads)

    def seed(self, seed: int | None) -> None:
        """Seed every host's generator; the next episodes follow from it."""
        replicas = self.config.replicas
        children = np.random.SeedSequence(seed).spawn(-(-self.nr_hosts // replicas))
        self._rngs = [
            np.random.default_rng(children[host // replicas]) for host in range(self.nr_hosts)
        ]

    def rows(self, host: int) -> slice:
        """The rows of one host's tenants."""
        return slice(host * self.config.tenants, (host + 1) * self.config.tenants)

    def reset(self) -> Observations:
        """Begin a new episode everywhere; returns (rows, F)."""
        for host in range(self.nr_hosts):
            self.reset_host(host)
        return self._observations.copy()

    def stagger(self) -> None:
        """Shorten the running episodes by random parts, so that they do not end together."""
        for host, rng in enumerate(self._rngs):
            self._step_in_episode[host] = rng.integers(self.config.episode_steps)

    def reset_host(self, host: int) -> Observations:
        """Begin a new episode on one host; returns its first observations, (tenants, F)."""
        rng, tenants = self._rngs[host], self.config.tenants
        workloads = tuple(int(rng.integers(len(self._specs))) for _ in range(tenants))
        low, high = np.log(self.config.budget)
        budgets = tuple(float(np.exp(rng.uniform(low, high))) for _ in range(tenants))
        return self.begin(host, workloads, int(rng.integers(2**63)), budgets)

    def reset_ended(self, done: NDArray[np.bool_], observations: Observations) -> None:
        """Begin new episodes where ``done`` (rows,) is set, and put their observations there."""
        for host in map(int, np.flatnonzero(done[:: self.config.tenants])):
            observations[self.rows(host)] = self.reset_host(host)

    def begin(
        self, host: int, workloads: Sequence[int], seed: int, budgets: Sequence[float]
    ) -> Observations:
        """Begin a chosen episode on one host, with a workload and a budget for each tenant.

        Returns its first observations, (tenants, F).
        """
        rows = self.rows(host)
        specs = tuple(self._specs[workload] for workload in workloads)
        self.core.reset(host, specs, seed, tuple(budgets), self._observations[rows])
        self.budget[rows] = budgets
        self._workload[rows] = workloads
        self._step_in_episode[host] = 0
        return self._observations[rows].copy()

    def step(self, actions: NDArray[np.floating[Any]] | None) -> StepResult:
        """Run one control interval under ``actions`` (rows, K), or with the schemes as set."""
        if actions is not None:
            actions = np.ascontiguousarray(actions, dtype=np.float32)
        self.core.step(actions, self._interval_us, self._observations, self._truth)
        self._step_in_episode += 1
        result = outcome(self._truth)
        ended = self._step_in_episode >= self.config.episode_steps
        return StepResult(
            observations=self._observations.copy(),
            rewards=reward(result, self.budget, self.config.weights),
            done=np.repeat(ended, self.config.tenants),
            outcome=result,
            truth=self._truth.copy(),
        )

    def info(self, row: int, result: StepResult) -> Mapping[str, Any]:
        """What is known of one tenant's last interval, for people and reports."""
        slowdown = float(result.outcome.slowdown[row])
        budget = float(self.budget[row])
        return {
            "saving": float(result.outcome.saving[row]),
            "slowdown": slowdown,
            "budget": budget,
            "breach": slowdown > budget,
            "workload": self.config.workloads[int(self._workload[row])].name,
            "knobs": self.core.knobs(row),
            "guard": self.core.reasons(row),
        }
