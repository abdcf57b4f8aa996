"""What each group of knobs is worth: off, the best fixed setting, and what nobody can pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from damon_tuner import _core
from damon_tuner.benchmarks.bootstrap import Summary, bootstrap
from damon_tuner.benchmarks.clairvoyant.bound import clairvoyant_saving
from damon_tuner.benchmarks.clairvoyant.record import Record, record
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.envs.batch import EpisodeConfig
from damon_tuner.envs.profile_file import find_profile
from damon_tuner.envs.workload_file import Workload, bundled_workload
from damon_tuner.policies.rules import STATIC_POLICIES
from damon_tuner.training.evaluate import Contender, Result, evaluate
from damon_tuner.training.progress import progress_interval_s
from damon_tuner.training.search import FixedSetting, search_fixed

TRIALS = 48
"""Settings that each search tries, however many knobs it has."""
_MANY_GROUPS = 3


@dataclass(frozen=True, slots=True)
class Case:
    """A load on a kind of host; ``repeats`` tells loads that a forecast could know in advance."""

    profile: str
    load: str
    repeats: bool | None = None

    @property
    def workload(self) -> Workload:
        """What the case's episodes are drawn from."""
        workload = _VARIANTS[self.load] if self.load in _VARIANTS else bundled_workload(self.load)
        return workload.on(find_profile(self.profile))


def _phases(name: str, random_order: float) -> Workload:
    phases = bundled_workload("phases")
    order = {"random_order": (random_order, random_order)}
    return replace(phases, name=name, workload={**phases.workload, **order})


_VARIANTS: Mapping[str, Workload] = {
    "phases_in_turn": _phases("phases_in_turn", 0.0),
    "phases_at_random": _phases("phases_at_random", 1.0),
}

_SWAP = (
    Case("nvme_swap", "phases_in_turn", repeats=True),
    Case("nvme_swap", "ml_epochs", repeats=True),
    Case("nvme_swap", "diurnal", repeats=True),
    Case("nvme_swap", "kv", repeats=False),
    Case("nvme_swap", "phases_at_random", repeats=False),
    Case("nvme_swap", "build_farm", repeats=False),
)
_EVERYTHING = (
    Case("ddr4_power", "idle"),
    Case("thp_always", "oltp"),
    Case("cxl", "kv"),
    Case("server_2026", "build_farm"),
)


@dataclass(frozen=True, slots=True)
class KnobSet:
    """Groups that are on together, and where; they are for the first of ``cases`` above all.

    ``against`` names a set with the same cases that this one is compared with, episode by episode.
    """

    name: str
    groups: tuple[str, ...]
    cases: tuple[Case, ...]
    against: str | None = None


KNOB_SETS: tuple[KnobSet, ...] = (
    KnobSet("reclaim", ("reclaim",), (Case("zram", "idle"), *_SWAP, *_EVERYTHING)),
    KnobSet("goals", ("reclaim", "goals"), (Case("zram", "idle"), *_SWAP), against="reclaim"),
    KnobSet("prediction", ("reclaim", "prediction"), _SWAP, against="reclaim"),
    KnobSet(
        "tiering",
        ("tiering",),
        (Case("cxl", "graph"), Case("cxl", "kv"), Case("cxl", "idle"), Case("zram", "kv")),
    ),
    KnobSet(
        "thp",
        ("thp",),
        (
            Case("zram", "graph"),
            Case("zram", "oltp"),
            Case("thp_always", "build_farm"),
            Case("thp_always", "kv"),
        ),
    ),
    KnobSet(
        "power",
        ("power",),
        (
            Case("ddr4_power", "idle"),
            Case("ddr4_power", "growth"),
            Case("ddr4_power", "graph"),
            Case("server_2026", "idle"),
        ),
    ),
    KnobSet(
        "all",
        ("reclaim", "goals", "tiering", "thp", "power", "prediction"),
        _EVERYTHING,
        against="reclaim",
    ),
)
"""In the order in which they are measured: a set starts from what earlier ones found."""


def knob_figures(
    budget: float,
    seeds: int,
    nr_threads: int,
    *,
    sets: Sequence[KnobSet] = KNOB_SETS,
    trials: int = TRIALS,
    config: EpisodeConfig | None = None,
) -> Iterator[Figure]:
    """``knobs.SET.WHO.saving`` and ``.slowdown`` for every case, as they are measured.

    WHO is off, fixed (the best fixed setting found, on other episodes than the search's), bound,
    and elsewhere: the setting that was found for the set's first case. Each has the set's
    ``helps`` and ``hurts`` there: what was found saves, or speeds up, for certain; the setting
    from elsewhere breaks the budget, or costs memory, for certain (:func:`helps`,
    :func:`hurts`). Where the set stands against another, ``gain`` is the mean difference of the
    two's settings on the same episodes. Means over the episodes have their 95 % interval.
    """
    bench = _Bench(config or EpisodeConfig(), budget, range(seeds), trials, nr_threads)
    nr_cases = sum(len(knob_set.cases) for knob_set in sets)
    with tqdm(
        total=nr_cases * trials, desc="knobs", unit="trial", mininterval=progress_interval_s()
    ) as bar:
        for knob_set in sets:
            for case in knob_set.cases:
                bar.set_postfix_str(f"{knob_set.name} on {case.profile}, {case.load}")
                yield from bench.measure(knob_set, case, bar.update)


@dataclass(frozen=True, slots=True)
class _Found:
    """A setting that a search found for a set's case, and how it does on other episodes."""

    setting: FixedSetting
    results: Sequence[Result]


class _Bench:
    """Measures case by case, and remembers what it found."""

    def __init__(
        self,
        config: EpisodeConfig,
        budget: float,
        seeds: Sequence[int],
        trials: int,
        nr_threads: int,
    ) -> None:
        self._config, self._budget, self._seeds = config, budget, seeds
        self._trials, self._nr_threads = trials, nr_threads
        self._records: dict[Case, Sequence[Record]] = {}
        self._found: dict[tuple[str, Case], _Found] = {}
        self._groups: dict[str, tuple[str, ...]] = {}

    def measure(
        self, knob_set: KnobSet, case: Case, on_trial: Callable[[], object]
    ) -> Iterator[Figure]:
        """Search, then evaluate what was found beside what there is to compare it with."""
        self._groups[knob_set.name] = knob_set.groups
        config = replace(self._config, groups=knob_set.groups)
        setting = search_fixed(
            config,
            [case.workload],
            budget=self._budget,
            trials=self._trials,
            starts=self._starts(knob_set, case),
            nr_threads=self._nr_threads,
            on_trial=on_trial,
        )
        contenders: dict[str, Contender] = {
            "off": STATIC_POLICIES["none"],
            "fixed": setting.contender,
        }
        home = self._found.get((knob_set.name, knob_set.cases[0]))
        if home is not None:
            contenders["elsewhere"] = home.setting.contender
        results = self._evaluate(config, case, contenders)
        self._found[knob_set.name, case] = _Found(setting, results["fixed"])
        return self._figures(knob_set, case, setting, results)

    def _starts(self, knob_set: KnobSet, case: Case) -> list[tuple[float, ...]]:
        """What sets with part of the knobs found for this case, alone and together.

        A set that stands against another is compared at the same number of trials, and starts
        from nothing; all knobs together are too many for that.
        """
        if len(knob_set.groups) < _MANY_GROUPS:
            return []
        careful = _action(knob_set.groups, _core.careful_action(knob_set.groups))
        parts = [
            _action(self._groups[name], found.setting.action)
            for (name, where), found in self._found.items()
            if where == case
            and set(self._groups[name]) < set(knob_set.groups)
            and found.setting.action is not None
        ]
        together = {knob: value for part in parts for knob, value in part.items()}
        return [tuple({**careful, **part}.values()) for part in (*parts, together) if part]

    def _evaluate(
        self, config: EpisodeConfig, case: Case, contenders: Mapping[str, Contender]
    ) -> dict[str, list[Result]]:
        """By contender, on the seeds of which the kernel kills nobody's load."""
        results = evaluate(
            contenders,
            [case.workload],
            self._seeds,
            self._budget,
            config=config,
            nr_threads=self._nr_threads,
        )
        kept = {
            seed
            for seed, one in zip(self._seeds, self._record(case), strict=True)
            if not one.oom_kills
        }
        return {
            name: [r for r in results if r.policy == name and r.seed in kept]
            for name in contenders
        }

    def _record(self, case: Case) -> Sequence[Record]:
        if case not in self._records:
            self._records[case] = record(
                [case.workload], self._seeds, config=self._config, nr_threads=self._nr_threads
            )
        return self._records[case]

    def _bounds(self, knob_set: KnobSet, case: Case) -> list[float]:
        return [
            clairvoyant_saving(one, knob_set.groups, self._budget)
            for one in self._record(case)
            if not one.oom_kills
        ]

    def _figures(
        self,
        knob_set: KnobSet,
        case: Case,
        setting: FixedSetting,
        results: Mapping[str, Sequence[Result]],
    ) -> Iterator[Figure]:
        fixed, elsewhere = results["fixed"], results.get("elsewhere", results["fixed"])
        about: dict[str, object] = {
            "profile": case.profile,
            "load": case.load,
            "repeats": case.repeats,
            "budget": self._budget,
            "seeds": len(fixed),
            "trials": self._trials,
            "helps": helps(fixed, self._budget),
            "hurts": hurts(elsewhere, self._budget),
        }
        name = f"knobs.{knob_set.name}"
        for who, rows in results.items():
            for metric in ("saving", "slowdown"):
                yield _figure(f"{name}.{who}.{metric}", _values(rows, metric), about)
        yield _figure(f"{name}.bound.saving", self._bounds(knob_set, case), about)
        if setting.action is not None:
            about |= {"action": _action(knob_set.groups, setting.action)}
        against = self._found.get((knob_set.against or "", case))
        if against is not None:
            pairs = list(zip(fixed, against.results, strict=True))
            for metric in ("saving", "slowdown"):
                gains = [getattr(one, metric) - getattr(other, metric) for one, other in pairs]
                more = {**about, "against": knob_set.against}
                yield _figure(f"{name}.gain.{metric}", gains, more)


def helps(rows: Sequence[Result], budget: float) -> bool:
    """Whether a setting is of use for certain: it speeds up, or saves within the budget."""
    saving, slowdown = (_summary(_values(rows, metric)) for metric in ("saving", "slowdown"))
    return slowdown.high < 0.0 or (saving.low > 0.0 and slowdown.low <= budget)


def hurts(rows: Sequence[Result], budget: float) -> bool:
    """Whether a setting does harm for certain: it breaks the budget, or costs memory."""
    saving, slowdown = (_summary(_values(rows, metric)) for metric in ("saving", "slowdown"))
    return slowdown.low > budget or saving.high < 0.0


def _action(groups: Sequence[str], action: Sequence[float]) -> dict[str, float]:
    """An action by knob."""
    return dict(zip(_core.knob_names(groups), action, strict=True))


def _values(rows: Sequence[Result], metric: str) -> list[float]:
    return [float(getattr(row, metric)) for row in rows]


def _summary(values: Sequence[float]) -> Summary:
    return bootstrap([np.array(values)])


def _figure(name: str, values: Sequence[float], about: Mapping[str, object]) -> Figure:
    summary = _summary(values)
    more = {"low": summary.low, "high": summary.high, **about}
    return Figure(name, summary.value, "share", more)
