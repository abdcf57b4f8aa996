"""Which cells a benchmark is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from damon_tuner.benchmarks.bench.cells import BoundsCell, EpisodesCell, SearchCell
from damon_tuner.benchmarks.bench.entry import ORACLE, RULE, SEARCHED, Entry, all_groups
from damon_tuner.benchmarks.sets import HELD_OUT, WorkloadSets
from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.envs.workload_file import Workload, training_workloads
from damon_tuner.policies.rules import RULES
from damon_tuner.training.parameter_search import Sampler

_SAMPLERS: tuple[Sampler, ...] = ("tpe", "random")
# Episodes of a cell: what is lost by an interruption, against what a file is worth.
_BLOCK = 10


@dataclass(frozen=True, slots=True)
class Search:
    """What a search is for; ``of`` is one workload, or None for those that are trained on."""

    name: str
    cell: SearchCell
    of: Workload | None

    def entry(self, action: Sequence[float]) -> Entry:
        """What competes with the setting that was found."""
        kind = SEARCHED if self.of is None else ORACLE
        rule = self.cell.rule
        return Entry(self.name, kind, self.cell.groups, action=tuple(action), rule=rule)


@dataclass(frozen=True, slots=True)
class Plan:
    """Entries x sets x workloads x seeds x budgets.

    Searches take ``search_steps`` simulated control intervals each, and set ``search_groups``;
    with 0 steps there are none. Each sampler searches a setting for the workloads that are trained
    on, and one for each held-out workload: an oracle. What the rules among the entries can be set
    to is searched as well, once for rules of one kind.
    """

    sets: WorkloadSets
    entries: tuple[Entry, ...]
    budgets: tuple[float, ...]
    seeds: int
    search_steps: int = 0
    search_groups: tuple[str, ...] = ("reclaim",)
    episode_s: float = EpisodeConfig().episode_s

    @property
    def groups(self) -> tuple[str, ...]:
        """The knob groups of all contenders: the bound is that of all of them together."""
        searched = self.search_groups if self.search_steps else ()
        return tuple(sorted({*all_groups(self.entries), *searched}))

    def bounds(self) -> list[BoundsCell]:
        """The bounds of every workload, once where it is in several sets."""
        cells = [
            BoundsCell(workload, seeds, self.groups, self.budgets, self.episode_s)
            for workloads in self.sets.values()
            for workload in workloads
            for seeds in self._blocks()
        ]
        return list({repr(cell.about): cell for cell in cells}.values())

    def episodes(self) -> list[EpisodesCell]:
        """All that needs no search."""
        return [
            cell
            for entry in self.entries
            for budget in self.budgets
            for name, workloads in self.sets.items()
            for workload in workloads
            for cell in self._episodes(entry, name, workload, budget)
        ]

    def searches(self) -> list[Search]:
        """What is searched before it can compete."""
        if not self.search_steps:
            return []
        held_out = self.sets.get(HELD_OUT, ())
        return [
            *self._searches_of_rules(),
            *self._searches_of_knobs(held_out),
        ]

    def _searches_of_rules(self) -> list[Search]:
        kinds: dict[type, Entry] = {}
        for entry in self.entries:
            if entry.kind == RULE and RULES[entry.name].space:
                kinds.setdefault(type(RULES[entry.name]), entry)
        return [
            Search(
                f"searched_{entry.name}",
                SearchCell(
                    training_workloads(),
                    entry.groups,
                    budget,
                    _SAMPLERS[0],
                    self.search_steps,
                    self.episode_s,
                    entry.name,
                ),
                None,
            )
            for entry in kinds.values()
            for budget in self.budgets
        ]

    def _searches_of_knobs(self, held_out: Sequence[Workload]) -> list[Search]:
        return [
            Search(
                f"searched_{sampler}" + ("" if of is None else "_per_workload"),
                SearchCell(
                    training_workloads() if of is None else (of,),
                    self.search_groups,
                    budget,
                    sampler,
                    self.search_steps,
                    self.episode_s,
                ),
                of,
            )
            for sampler in _SAMPLERS
            for budget in self.budgets
            for of in (None, *held_out)
        ]

    def searched_episodes(self, search: Search, action: Sequence[float]) -> list[EpisodesCell]:
        """What the setting of a search is measured on, which is nothing that it was found on."""
        entry = search.entry(action)
        return [
            cell
            for name, workloads in self.sets.items()
            for workload in workloads
            if search.of is None or (name == HELD_OUT and workload == search.of)
            for cell in self._episodes(entry, name, workload, search.cell.budget)
        ]

    def _episodes(
        self, entry: Entry, set_name: str, workload: Workload, budget: float
    ) -> list[EpisodesCell]:
        return [
            EpisodesCell(entry, set_name, workload, budget, seeds, self.episode_s)
            for seeds in self._blocks()
        ]

    def _blocks(self) -> list[tuple[int, ...]]:
        return [
            tuple(range(first, min(first + _BLOCK, self.seeds)))
            for first in range(0, self.seeds, _BLOCK)
        ]
