"""Random search and Bayesian optimisation of a contender's parameters, by simulated episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Required, TypeAlias, TypedDict

import numpy as np
import optuna

from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.envs.workload_file import Workload
from damon_tuner.policies.rules import RULES
from damon_tuner.training.evaluate import Contender, Result, evaluate

SEARCH_SEEDS = range(1_000_000, 1_000_012)
"""Evaluation episodes that a search looks at, and that nothing else is measured on."""
FINAL_SEEDS = range(2_000_000, 2_000_024)
"""Those that decide between the best that it found: what was lucky on the others is not here."""

Objective: TypeAlias = Callable[[Sequence[Result]], float]
"""How good a contender is by its episodes; more is better."""
Sampler: TypeAlias = Literal["tpe", "random"]

FINALISTS = 12
"""At most so many settings, and off, are compared on the final seeds."""
# Of the mean slowdown, against the budget.
_DOUBLING_PRICE = 0.7
_DOUBLINGS_MAX = 5.0
# A share of the trials is drawn at random before the sampler believes what it has seen.
_STARTUP_SHARE = 0.25

_Parameters: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Space:
    """What is searched: each parameter's range, and the contender that parameters make.

    ``starts`` are tried first.
    """

    distributions: Mapping[str, optuna.distributions.FloatDistribution]
    contender: Callable[[_Parameters], Contender]
    starts: Sequence[_Parameters]


@dataclass(frozen=True, slots=True)
class Tried:
    """Parameters and how they did on the mean; None is nobody who manages.

    ``value`` is what the objective says of the episodes, NaN where none was given.
    """

    parameters: _Parameters | None
    saving: float
    slowdown: float
    value: float


class How(TypedDict, total=False):
    """How a search runs: the fields of ``Search`` that do not say where; it has the defaults."""

    budget: Required[float]
    trials: int | None
    steps: int | None
    sampler: Sampler
    objective: Objective | None
    seeds: Sequence[int]
    final_seeds: Sequence[int]
    seed: int
    nr_threads: int
    on_trial: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Search:
    """Where, how long and for what a search runs.

    It stops after ``trials``, or before it has simulated more than ``steps`` control intervals,
    the final choice included. Without an ``objective`` it is for what saves most at a mean
    slowdown within ``budget``: the sampler sees the saving, from which each doubling of the budget
    takes as it does from an agent's reward.

    Raises:
        ValueError: both of trials and steps are given, or none, or too few steps for one trial.
    """

    config: EpisodeConfig
    workloads: Sequence[Workload]
    budget: float
    trials: int | None = None
    steps: int | None = None
    sampler: Sampler = "tpe"
    objective: Objective | None = None
    seeds: Sequence[int] = SEARCH_SEEDS
    final_seeds: Sequence[int] = FINAL_SEEDS
    seed: int = 0
    nr_threads: int = 1
    on_trial: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        if (self.trials is None) == (self.steps is None):
            raise ValueError("give trials or steps, and not both")
        if self.steps is not None and self.nr_trials < 1:
            least = self.steps_of(1, 1 + FINALISTS)
            raise ValueError(f"{self.steps} steps are too few for a trial: give {least} or more")

    @property
    def nr_trials(self) -> int:
        """How many settings are tried."""
        if self.steps is None:
            return self.trials or 0
        return (self.steps - self.steps_of(0, 1 + FINALISTS)) // self.steps_of(1, 0)

    def steps_of(self, nr_trials: int, nr_finalists: int) -> int:
        """How many control intervals so many trials and finalists simulate."""
        episodes = nr_trials * len(self.seeds) + nr_finalists * len(self.final_seeds)
        return episodes * len(self.workloads) * self.config.episode_steps

    def run(self, space: Space) -> tuple[Tried, int]:
        """Return what was found, and the control intervals that it took.

        Of the best that ``seeds`` show, and of off, ``final_seeds`` choose. The same search finds
        the same.
        """
        # without a parameter there is one setting
        nr_trials = self.nr_trials if space.distributions else 1
        study = self._new_study(space, nr_trials)
        tried = []
        for _ in range(nr_trials):
            trial = study.ask(dict(space.distributions))
            one = self._measure(space, [trial.params], self.seeds)[0]
            study.tell(trial, self._value(one))
            tried.append(one)
            self.on_trial()
        finalists = [None, *(one.parameters for one in self._finalists(tried))]
        measured = self._measure(space, finalists, self.final_seeds)
        return max(measured, key=self._rank), self.steps_of(nr_trials, len(finalists))

    def _new_study(self, space: Space, nr_trials: int) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler: optuna.samplers.BaseSampler
        if self.sampler == "random":
            sampler = optuna.samplers.RandomSampler(seed=self.seed)
        else:
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=round(_STARTUP_SHARE * nr_trials),
                multivariate=True,
                seed=self.seed,
            )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for start in space.starts:
            study.enqueue_trial(dict(start))
        return study

    def _measure(
        self, space: Space, settings: Sequence[_Parameters | None], seeds: Sequence[int]
    ) -> list[Tried]:
        """Each setting's means over workloads and seeds."""
        contenders = {
            str(i): RULES["none"] if setting is None else space.contender(setting)
            for i, setting in enumerate(settings)
        }
        results = evaluate(
            contenders,
            self.workloads,
            seeds,
            self.budget,
            config=self.config,
            nr_threads=self.nr_threads,
        )
        each = len(results) // len(settings)
        return [
            self._tried(setting, results[i * each : (i + 1) * each])
            for i, setting in enumerate(settings)
        ]

    def _tried(self, setting: _Parameters | None, results: Sequence[Result]) -> Tried:
        saving = float(np.mean([result.saving for result in results]))
        slowdown = float(np.mean([result.slowdown for result in results]))
        value = float("nan") if self.objective is None else self.objective(results)
        return Tried(setting, saving, slowdown, value)

    def _value(self, one: Tried) -> float:
        """What the sampler sees: beyond the budget each doubling costs."""
        if self.objective is not None:
            return one.value
        doublings = np.log2(max(one.slowdown / self.budget, 1.0))
        return one.saving - _DOUBLING_PRICE * float(min(doublings, _DOUBLINGS_MAX))

    def _finalists(self, tried: Sequence[Tried]) -> list[Tried]:
        if self.objective is None:
            return _front(tried, self.budget)
        return sorted(tried, key=lambda one: -one.value)[:FINALISTS]

    def _rank(self, one: Tried) -> tuple[float, float, float]:
        """By what settings are chosen: within the budget first; off is, where nothing else is."""
        if self.objective is not None:
            return one.value, one.saving, -one.slowdown
        within = one.slowdown <= self.budget or one.parameters is None
        return float(within), one.saving, -one.slowdown


def _front(tried: Sequence[Tried], budget: float) -> list[Tried]:
    """Settings within the budget that no other beats in saving and slowdown, from end to end."""
    front: list[Tried] = []
    for one in sorted(tried, key=lambda s: (s.slowdown, -s.saving)):
        if one.slowdown <= budget and (not front or one.saving > front[-1].saving):
            front.append(one)
    if len(front) <= FINALISTS:
        return front
    return [front[i] for i in np.linspace(0, len(front) - 1, FINALISTS).round().astype(int)]
