"""The search for hyper-parameters, with a file that it resumes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from damon_tuner.errors import HyperparamsError
from damon_tuner.policies.policy_file import Policy
from damon_tuner.training.config import TrainConfig
from damon_tuner.training.hyperparams_file import Hyperparams
from damon_tuner.training.hyperparams_space import distributions, from_hyperparams, to_hyperparams
from damon_tuner.training.train import train, trained_policy
from damon_tuner.training.workers_local import run_here

_STARTUP_TRIALS = 10
_ABOUT = "about"


class ValueOf(Protocol):
    """How good a policy is: more is better. It is picklable, as processes exchange it."""

    def __call__(self, policy: Policy) -> float:
        """Measure it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Runs with the same hyper-parameters and unlike seeds, and how they are judged."""

    configs: tuple[TrainConfig, ...]
    value_of: ValueOf


def value_of_candidate(candidate: Candidate) -> float:
    """Train and judge: the mean over the runs. A function of a module, for other processes."""
    policies = [trained_policy(train(config, quiet=True)) for config in candidate.configs]
    return sum(map(candidate.value_of, policies)) / len(policies)


RunAll = Callable[[Callable[[Candidate], float], Sequence[Candidate]], Iterator[tuple[int, float]]]
"""``workers.run_all``, with how many there are."""


@dataclass(frozen=True, slots=True)
class Found:
    """The best of the trials so far; ``start_value`` is what it was started from."""

    hyperparams: Hyperparams
    value: float
    start_value: float
    nr_trials: int


def search_hyperparams(
    config: TrainConfig,
    value_of: ValueOf,
    *,
    storage: Path,
    trials: int,
    about: str,
    runs: int = 1,
    at_once: int = 1,
    run_all: RunAll = run_here,
    on_trial: Callable[[Found], object] = lambda found: None,
) -> Found:
    """Search from ``config.hyperparams`` on until ``storage`` holds ``trials`` finished trials.

    The first trial is the start itself, so that the best is never worse than it. Each trains
    ``runs`` times, with the seeds from ``config.seed`` on; ``at_once`` of them are drawn before
    the first is told. What ``storage`` already holds is not run again, whatever ended the search.
    ``about`` says what is compared with what: another search cannot go on there.

    Raises:
        HyperparamsError: ``storage`` is of another search, or no file that holds one.

    """
    study = _open(storage, config, about)
    while len(left := _finished(study)) < trials:
        asked = _ask(study, config, min(at_once, trials - len(left)))
        candidates = [_candidate(trial, config, value_of, runs) for trial in asked]
        told: set[int] = set()
        try:
            for index, value in run_all(value_of_candidate, candidates):
                study.tell(asked[index], value)
                told.add(index)
                on_trial(_found(study, config))
        finally:
            # whatever stopped it: what was not told is drawn again another time
            for index, trial in enumerate(asked):
                if index not in told:
                    study.tell(trial, state=TrialState.FAIL)
    return _found(study, config)


def _open(storage: Path, config: TrainConfig, about: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{storage}",
            study_name=config.hyperparams.algorithm,
            direction="maximize",
            load_if_exists=True,
        )
    except Exception as error:
        # a damaged database may raise anything
        raise HyperparamsError(
            f"{storage} holds no search: {error}; give another file".replace("\n", " ")
        ) from None
    if study.user_attrs.setdefault(_ABOUT, about) != about:
        raise HyperparamsError(
            f"{storage} is of a search with other settings ({study.user_attrs[_ABOUT]}): "
            "give them, or another file"
        )
    study.set_user_attr(_ABOUT, about)
    return study


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _ask(study: optuna.Study, config: TrainConfig, nr: int) -> list[Trial]:
    nr_before = len(_finished(study))
    if not nr_before and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.enqueue_trial(from_hyperparams(config.hyperparams))
    study.sampler = optuna.samplers.TPESampler(
        n_startup_trials=_STARTUP_TRIALS, multivariate=True, seed=config.seed + nr_before
    )
    space = distributions(config.hyperparams.algorithm)
    return [study.ask(dict(space)) for _ in range(nr)]


def _candidate(trial: Trial, config: TrainConfig, value_of: ValueOf, runs: int) -> Candidate:
    config = replace(config, hyperparams=to_hyperparams(config.hyperparams, trial.params))
    seeds = range(config.seed, config.seed + runs)
    return Candidate(tuple(replace(config, seed=seed) for seed in seeds), value_of)


def _found(study: optuna.Study, config: TrainConfig) -> Found:
    finished = _finished(study)
    best, start = study.best_trial, min(finished, key=lambda trial: trial.number)
    assert best.value is not None and start.value is not None
    hyperparams = to_hyperparams(config.hyperparams, best.params)
    return Found(hyperparams, best.value, start.value, len(finished))
