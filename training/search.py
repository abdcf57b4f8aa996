"""The best fixed setting for a set of workloads, found by search in the simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import optuna

from damon_tuner import _core
from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.envs.profile_file import Profile
from damon_tuner.envs.workload_file import Workload
from damon_tuner.policies.rules import STATIC_POLICIES
from damon_tuner.training.evaluate import Contender, FixedAction, evaluate

SEARCH_SEEDS = range(1_000_000, 1_000_012)
"""Evaluation episodes that a search looks at, and that nothing else is measured on."""
FINAL_SEEDS = range(2_000_000, 2_000_024)
"""Those that decide between the best that it found: what was lucky on the others is not here."""

_FINALISTS = 12
# A share of the trials is drawn at random before the sampler believes what it has seen.
_STARTUP_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class FixedSetting:
    """What a search found; ``action`` is None where nothing within the budget was better than off.

    ``saving`` and ``slowdown`` are means over the episodes by which it was chosen.
    """

    action: tuple[float, ...] | None
    saving: float
    slowdown: float

    @property
    def contender(self) -> Contender:
        """The setting, to be evaluated on other episodes."""
        return STATIC_POLICIES["none"] if self.action is None else FixedAction(self.action)


def search_fixed(
    config: EpisodeConfig,
    workloads: Sequence[Workload],
    *,
    budget: float,
    trials: int,
    profile: Profile | None = None,
    seeds: Sequence[int] = SEARCH_SEEDS,
    final_seeds: Sequence[int] = FINAL_SEEDS,
    starts: Sequence[Sequence[float]] = (),
    seed: int = 0,
    nr_threads: int = 1,
    on_trial: Callable[[], object] = lambda: None,
) -> FixedSetting:
    """Search the action, always the same, that saves most at a mean slowdown within ``budget``.

    The knobs are those of ``config.groups``; every action goes through the guard, as a policy's
    does. ``starts`` are actions to try first; each, like the one that does least, is one of the
    ``trials``. Of those that ``seeds`` show on the best terms of saving and slowdown,
    ``final_seeds`` choose. The same arguments find the same setting.
    """
    if profile is not None:
        workloads = [workload.on(profile) for workload in workloads]

    def run(actions: Sequence[tuple[float, ...] | None], on: Sequence[int]) -> list[FixedSetting]:
        return _run(config, workloads, actions, budget, on, nr_threads)

    study = _new_study(config, trials, starts, seed)
    names = config.schema.knob_names
    scales = {name: optuna.distributions.FloatDistribution(-1.0, 1.0) for name in names}
    tried = []
    for _ in range(trials):
        trial = study.ask(dict(scales))
        setting = run([tuple(trial.params[name] for name in names)], seeds)[0]
        study.tell(trial, _value(setting, config, budget))
        tried.append(setting)
        on_trial()
    finalists = [None, *(setting.action for setting in _front(tried, budget))]
    return max(run(finalists, final_seeds), key=lambda setting: _rank(setting, budget))


def _new_study(
    config: EpisodeConfig, trials: int, starts: Sequence[Sequence[float]], seed: int
) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(
        n_startup_trials=round(_STARTUP_SHARE * trials), multivariate=True, seed=seed
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for action in (_core.careful_action(config.groups), *starts):
        study.enqueue_trial(dict(zip(config.schema.knob_names, action, strict=True)))
    return study


def _run(
    config: EpisodeConfig,
    workloads: Sequence[Workload],
    actions: Sequence[tuple[float, ...] | None],
    budget: float,
    seeds: Sequence[int],
    nr_threads: int,
) -> list[FixedSetting]:
    """Each action's means over workloads and seeds; None is nobody who manages."""
    settings = [FixedSetting(action, 0.0, 0.0) for action in actions]
    contenders = {str(i): setting.contender for i, setting in enumerate(settings)}
    results = evaluate(contenders, workloads, seeds, budget, config=config, nr_threads=nr_threads)
    shape = len(actions), -1
    saving = np.reshape([result.saving for result in results], shape).mean(axis=1)
    slowdown = np.reshape([result.slowdown for result in results], shape).mean(axis=1)
    return [
        replace(setting, saving=float(saving[i]), slowdown=float(slowdown[i]))
        for i, setting in enumerate(settings)
    ]


def _value(setting: FixedSetting, config: EpisodeConfig, budget: float) -> float:
    """What the sampler sees: beyond the budget each doubling costs, as it costs an agent."""
    weights = config.weights
    doublings = np.log2(max(setting.slowdown / budget, 1.0))
    return setting.saving - weights.beyond * float(min(doublings, weights.beyond_max))


def _rank(setting: FixedSetting, budget: float) -> tuple[bool, float, float]:
    """By what settings are chosen: within the budget first; off is, where nothing else is."""
    within = setting.slowdown <= budget or setting.action is None
    return within, setting.saving, -setting.slowdown


def _front(tried: Sequence[FixedSetting], budget: float) -> list[FixedSetting]:
    """Settings within the budget that no other beats in saving and slowdown, from end to end."""
    front: list[FixedSetting] = []
    for setting in sorted(tried, key=lambda s: (s.slowdown, -s.saving)):
        if setting.slowdown <= budget and (not front or setting.saving > front[-1].saving):
            front.append(setting)
    if len(front) <= _FINALISTS:
        return front
    return [front[i] for i in np.linspace(0, len(front) - 1, _FINALISTS).round().astype(int)]
