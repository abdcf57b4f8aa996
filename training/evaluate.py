"""How policies do in the simulator: the same loads, hosts and seeds for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.envs.batch import NR_TRUTH, EpisodeConfig, Observations, SimBatch
from damon_tuner.envs.reward import outcome
from damon_tuner.envs.workload_file import Workload
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.kernel_iface.sim import carry_out, observe
from damon_tuner.policies.rules import FixedRule, Rule
from damon_tuner.policies.schema import RECLAIM


@dataclass(frozen=True, slots=True)
class FixedAction:
    """The same ``action``, K in [-1, 1], at every decision: what a guard lets through of it."""

    action: tuple[float, ...]


Contender = Rule | FixedAction | _core.Network
_Actor = Callable[[Observations], NDArray[np.float32] | None]

# Episodes for evaluation come from other seeds than any training run's: training draws from
# SeedSequence(seed).spawn(), evaluation from this entropy.
_EVALUATION_ENTROPY = 0xDA3011


@dataclass(frozen=True, slots=True)
class Result:
    """One policy on one episode; shares are 0 to 1.

    ``saving`` is of memory cost, ``resident_saving`` of resident memory alone, ``breaches`` the
    share of control intervals whose slowdown was above the budget.
    """

    policy: str
    workload: str
    seed: int
    budget: float
    saving: float
    resident_saving: float
    slowdown: float
    breaches: float


def evaluate(
    contenders: Mapping[str, Contender],
    workloads: Sequence[Workload],
    seeds: Sequence[int],
    budget: float,
    *,
    config: EpisodeConfig | None = None,
    nr_threads: int = 1,
    on_step: Callable[[], object] = lambda: None,
) -> list[Result]:
    """Run every contender on every workload and seed; ``on_step`` is called once a batch step.

    Networks and actions go through the guard, with the knobs of ``config.groups``. Rules are
    carried out as they are: fixed ones once, at the beginning; adaptive ones see a snapshot of
    their host before every control interval, and nothing else.
    """
    config = replace(config or EpisodeConfig(), workloads=tuple(workloads))
    grid = [(w, seed) for w in range(len(workloads)) for seed in seeds]
    results = []
    for name, contender in contenders.items():
        # A rule needs no more of the host watched than its own schemes.
        groups = (
            contender.groups or RECLAIM.groups if isinstance(contender, Rule) else config.groups
        )
        batch = SimBatch(replace(config, groups=groups), len(grid), nr_threads)
        observations = begin_episodes(batch, grid, budget)
        truth, breaches = _run(batch, _actor(batch, contender, budget), observations, on_step)
        total = outcome(truth)
        results += [
            Result(
                policy=name,
                workload=workloads[w].name,
                seed=seed,
                budget=budget,
                saving=float(total.saving[i]),
                resident_saving=float(total.resident_saving[i]),
                slowdown=float(total.slowdown[i]),
                breaches=float(breaches[i]),
            )
            for i, (w, seed) in enumerate(grid)
        ]
    return results


def begin_episodes(
    batch: SimBatch, grid: Sequence[tuple[int, int]], budget: float
) -> Observations:
    """Begin an evaluation episode on each host: workload and seed by ``grid``.

    Returns the first observations, (hosts, F).
    """
    return np.concatenate(
        [
            batch.begin(i, (workload,), episode_seed(seed), (budget,))
            for i, (workload, seed) in enumerate(grid)
        ]
    )


def _run(
    batch: SimBatch,
    act: _Actor,
    observations: Observations,
    on_step: Callable[[], object],
) -> tuple[
    np.ndarray[tuple[int, int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]
]:
    truth = np.zeros((batch.nr_hosts, NR_TRUTH))
    breaches = np.zeros(batch.nr_hosts)
    for _ in range(batch.config.episode_steps):
        step = batch.step(act(observations))
        observations = step.observations
        truth += step.truth
        breaches += step.outcome.slowdown > batch.budget
        on_step()
    return truth, breaches / batch.config.episode_steps


def _actor(batch: SimBatch, contender: Contender, budget: float) -> _Actor:
    """Who answers each control interval's observations on the hosts of ``batch``."""
    if isinstance(contender, Rule):
        return _Carrier(batch, contender, budget)
    if isinstance(contender, FixedAction):
        always = np.tile(np.array(contender.action, dtype=np.float32), (batch.nr_hosts, 1))
        return lambda _: always
    actions = np.zeros((batch.nr_hosts, batch.schema.nr_knobs), dtype=np.float32)

    def forward(observations: Observations) -> NDArray[np.float32]:
        contender.forward(observations, actions)
        return actions

    return forward


class _Carrier:
    """Carries out a rule on every host of a batch, which is then stepped without actions."""

    def __init__(self, batch: SimBatch, rule: Rule, budget: float) -> None:
        self._batch = batch
        self._is_fixed = isinstance(rule, FixedRule)
        self._policies = [rule.policy(budget) for _ in range(batch.nr_hosts)]
        self._running: list[Plan | None] = [None] * batch.nr_hosts

    def __call__(self, observations: Observations) -> None:
        """Decide for the next interval; what is running stays, as on a real host."""
        for host, policy in enumerate(self._policies):
            if self._is_fixed and self._running[host] is not None:
                continue
            intervals = self._batch.config.attrs.intervals
            plan = policy.decide(observe(self._batch.core, host, intervals)).plan
            if plan != self._running[host]:
                watches_nodes = "tiering" in self._batch.schema.groups
                carry_out(self._batch.core, host, plan, watches_nodes=watches_nodes)
                self._running[host] = plan


def episode_seed(seed: int) -> int:
    """The simulator's seed of evaluation episode ``seed``."""
    state = np.random.SeedSequence([_EVALUATION_ENTROPY, seed]).generate_state(1, np.uint64)
    return int(state[0] >> 1)
