"""Cells: parts of the benchmark that are measured at once, on any machine, and kept as a whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from damon_tuner.benchmarks.bench.code import code_digest
from damon_tuner.benchmarks.bench.entry import Entry
from damon_tuner.benchmarks.bench.objective import score_objective
from damon_tuner.benchmarks.bounds import episode_bounds
from damon_tuner.benchmarks.sets import SETS_VERSION, family_of, workload_digest
from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.envs.workload_file import Workload
from damon_tuner.policies.rules import RULES
from damon_tuner.training.evaluate import evaluate
from damon_tuner.training.parameter_search import FINALISTS, Sampler
from damon_tuner.training.search import search_fixed, search_rule

Row = dict[str, Any]

EPISODES, BOUNDS, SEARCHES = "episodes", "bounds", "searches"
"""Kinds of cells."""

# Of the episodes that a search may look at, those that choose among its finalists.
_FINAL_SHARE = 0.25
_SEARCH_SEED_FIRST, _FINAL_SEED_FIRST = 1_000_000, 2_000_000
_TRIALS_WANTED = 100
_SEEDS_MAX = {"search": 12, "final": 24}


@dataclass(frozen=True, slots=True)
class EpisodesCell:
    """One entry on one workload at one budget: a row an episode."""

    entry: Entry
    set: str
    workload: Workload
    budget: float
    seeds: tuple[int, ...]
    episode_s: float
    kind = EPISODES

    @property
    def about(self) -> Mapping[str, Any]:
        """What decides the result."""
        return {
            **self.entry.identity,
            "set": self.set,
            "workload": self.workload.name,
            "workload_digest": workload_digest(self.workload),
            "budget": self.budget,
            "seeds": self.seeds,
            "episode_s": self.episode_s,
        }

    def measure(self) -> list[Row]:
        """Run the episodes."""
        config = EpisodeConfig(episode_s=self.episode_s, groups=self.entry.groups)
        found = evaluate(
            {self.entry.name: self.entry.contender()},
            [self.workload],
            self.seeds,
            self.budget,
            config=config,
        )
        key, about = cell_key(self), {k: v for k, v in self.about.items() if k != "seeds"}
        return [
            {
                "row_id": f"{key[:16]}.{index}",
                **about,
                "family": family_of(self.workload),
                "seed": result.seed,
                "saving": result.saving,
                "resident_saving": result.resident_saving,
                "slowdown": result.slowdown,
                "breaches": result.breaches,
                **_versions(),
            }
            for index, result in enumerate(found)
        ]


@dataclass(frozen=True, slots=True)
class BoundsCell:
    """What could be saved at most on one workload: a row an episode and budget."""

    workload: Workload
    seeds: tuple[int, ...]
    groups: tuple[str, ...]
    budgets: tuple[float, ...]
    episode_s: float
    kind = BOUNDS

    @property
    def about(self) -> Mapping[str, Any]:
        """What decides the result."""
        return {
            "workload_digest": workload_digest(self.workload),
            "seeds": self.seeds,
            "groups": self.groups,
            "budgets": self.budgets,
            "episode_s": self.episode_s,
        }

    def measure(self) -> list[Row]:
        """Record the episodes unmanaged, and bound them."""
        config = EpisodeConfig(episode_s=self.episode_s)
        found = episode_bounds(self.workload, self.seeds, self.groups, self.budgets, config=config)
        return [
            {
                "workload_digest": workload_digest(self.workload),
                "groups": list(self.groups),
                "seed": seed,
                "budget": budget,
                "bound": float(bound),
                "episode_s": self.episode_s,
                **_versions(),
            }
            for seed, of_seed in zip(self.seeds, found, strict=True)
            for budget, bound in zip(self.budgets, of_seed, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class SearchCell:
    """The best fixed setting for some workloads, found within ``steps`` simulated intervals.

    Of the knobs of ``groups``, or where ``rule`` is one of the registry, of its settings.
    """

    workloads: tuple[Workload, ...]
    groups: tuple[str, ...]
    budget: float
    sampler: Sampler
    steps: int
    episode_s: float
    rule: str = ""
    kind = SEARCHES

    @property
    def about(self) -> Mapping[str, Any]:
        """What decides the result."""
        return {
            "workload_digests": [workload_digest(workload) for workload in self.workloads],
            "groups": self.groups,
            "budget": self.budget,
            "sampler": self.sampler,
            "steps": self.steps,
            "episode_s": self.episode_s,
            "rule": self.rule,
        }

    def measure(self) -> list[Row]:
        """Search for the score, as it is reported."""
        config = EpisodeConfig(episode_s=self.episode_s, groups=self.groups)
        effort = search_effort(self.steps, config.episode_steps, len(self.workloads))
        seeds = range(_SEARCH_SEED_FIRST, _SEARCH_SEED_FIRST + effort.seeds)
        final_seeds = range(_FINAL_SEED_FIRST, _FINAL_SEED_FIRST + effort.final_seeds)
        objective = score_objective(
            self.workloads, [*seeds, *final_seeds], self.groups, self.budget, config
        )
        common: dict[str, Any] = {
            "budget": self.budget,
            "trials": effort.trials,
            "sampler": self.sampler,
            "objective": objective,
            "seeds": seeds,
            "final_seeds": final_seeds,
        }
        action, simulated = self._search(config, common)
        return [
            {
                **self.about,
                "trials": effort.trials,
                "simulated_steps": simulated,
                "action": action,
                **_versions(),
            }
        ]

    def _search(self, config: EpisodeConfig, common: Mapping[str, Any]) -> tuple[list[float], int]:
        """The setting that was found, [] for off, and the intervals that it took."""
        if not self.rule:
            fixed = search_fixed(config, self.workloads, **common)
            return list(fixed.action or ()), fixed.steps
        rule = RULES[self.rule]
        found = search_rule(rule, config, self.workloads, **common)
        if found.rule is None:
            return [], found.steps
        return [float(getattr(found.rule, name)) for name in rule.space], found.steps


Cell = EpisodesCell | BoundsCell | SearchCell


@dataclass(frozen=True, slots=True)
class Effort:
    """How a search spends its steps: trials on so many seeds, finalists on others."""

    trials: int
    seeds: int
    final_seeds: int


def search_effort(steps: int, episode_steps: int, nr_workloads: int) -> Effort:
    """As many simulated intervals as ``steps``, or a few more where those are hardly any."""
    rounds = steps / episode_steps / nr_workloads
    final_seeds = _within(rounds * _FINAL_SHARE / (FINALISTS + 1), _SEEDS_MAX["final"])
    left = rounds - final_seeds * (FINALISTS + 1)
    seeds = _within(left / _TRIALS_WANTED, _SEEDS_MAX["search"])
    return Effort(max(int(left / seeds), 2), seeds, final_seeds)


def _within(value: float, most: int) -> int:
    return min(max(int(value), 1), most)


def cell_key(cell: Cell) -> str:
    """By which a cell's results are found again: a checksum of all that decides them."""
    text = json.dumps([cell.kind, cell.about, SETS_VERSION], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def measure(cell: Cell) -> list[Row]:
    """Measure a cell; what workers run."""
    return cell.measure()


def _versions() -> Row:
    return {"sets_version": SETS_VERSION, "code": code_digest()}
