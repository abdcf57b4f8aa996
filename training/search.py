"""The best fixed action, and the best settings of a rule, for a set of workloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Unpack

import optuna

from damon_tuner import _core
from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.envs.profile_file import Profile
from damon_tuner.envs.workload_file import Workload
from damon_tuner.policies.rules import RULES, Rule
from damon_tuner.training.evaluate import Contender, FixedAction
from damon_tuner.training.parameter_search import How, Search, Space


@dataclass(frozen=True, slots=True)
class FixedSetting:
    """What a search found; ``action`` is None where nothing was better than off.

    ``saving`` and ``slowdown`` are means over the episodes by which it was chosen, and ``steps``
    the control intervals that the search simulated.
    """

    action: tuple[float, ...] | None
    saving: float
    slowdown: float
    steps: int = 0

    @property
    def contender(self) -> Contender:
        """The setting, to be evaluated on other episodes."""
        return RULES["none"] if self.action is None else FixedAction(self.action)


@dataclass(frozen=True, slots=True)
class RuleSetting:
    """The same of a rule: ``rule`` has the settings that were found, and is None for off."""

    rule: Rule | None
    saving: float
    slowdown: float
    steps: int

    @property
    def contender(self) -> Contender:
        """The rule as found, to be evaluated on other episodes."""
        return RULES["none"] if self.rule is None else self.rule


def search_fixed(
    config: EpisodeConfig,
    workloads: Sequence[Workload],
    *,
    profile: Profile | None = None,
    starts: Sequence[Sequence[float]] = (),
    **how: Unpack[How],
) -> FixedSetting:
    """Search the action, always the same, that is best by ``objective``, or as ``Search`` has it.

    The knobs are those of ``config.groups``; every action goes through the guard, as a policy's
    does. ``starts`` are actions to try first; each, like the one that does least, is one of the
    trials. Raises what ``Search`` does.
    """
    names = config.schema.knob_names

    def contender(parameters: Mapping[str, float]) -> Contender:
        return FixedAction(tuple(parameters[name] for name in names))

    space = Space(
        {name: optuna.distributions.FloatDistribution(-1.0, 1.0) for name in names},
        contender,
        [
            dict(zip(names, action, strict=True))
            for action in (_core.careful_action(config.groups), *starts)
        ],
    )
    found, simulated = Search(config, _on(profile, workloads), **how).run(space)
    parameters = found.parameters
    action = None if parameters is None else tuple(parameters[name] for name in names)
    return FixedSetting(action, found.saving, found.slowdown, simulated)


def search_rule(
    rule: Rule,
    config: EpisodeConfig,
    workloads: Sequence[Workload],
    *,
    profile: Profile | None = None,
    **how: Unpack[How],
) -> RuleSetting:
    """Search the settings in ``rule.space`` that are best, from those that ``rule`` has.

    A rule without such settings is only compared with off. Raises what ``Search`` does.
    """
    space = Space(
        {
            name: optuna.distributions.FloatDistribution(span.low, span.high, log=span.is_log)
            for name, span in rule.space.items()
        },
        rule.with_settings,
        [{name: getattr(rule, name) for name in rule.space}],
    )
    found, simulated = Search(config, _on(profile, workloads), **how).run(space)
    made = None if found.parameters is None else rule.with_settings(found.parameters)
    return RuleSetting(made, found.saving, found.slowdown, simulated)


def _on(profile: Profile | None, workloads: Sequence[Workload]) -> Sequence[Workload]:
    return workloads if profile is None else [workload.on(profile) for workload in workloads]
