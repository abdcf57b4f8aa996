"""What a benchmark says: scores, their intervals, and who is best, as figures and as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damon_tuner.benchmarks.bench.entry import ORACLE, POLICY
from damon_tuner.benchmarks.bootstrap import (
    Floats,
    Statistic,
    Summary,
    bootstrap,
    interquartile_mean,
    mean_of_strata,
)
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.benchmarks.hindsight import chosen_afterwards
from damon_tuner.benchmarks.normalised import (
    improvements,
    is_scored,
    normalised_score,
    worst_family,
)
from damon_tuner.benchmarks.sets import HELD_OUT

SCORE = "score"
BREACHES_MAX = 0.02
"""Who is over the budget in more control intervals than this does not keep it."""
METRICS = ("saving", "slowdown", "breaches")
PER_WORKLOAD = "searched_per_workload"

_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stratum:
    """One contender on one workload: arrays (training seeds, episodes), ``bound`` (episodes,).

    ``values`` has the score, NaN where an episode has none, and every one of ``METRICS``.
    """

    workload: str
    family: str
    values: Mapping[str, Floats]
    bound: Floats

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which episodes have a score, (episodes,)."""
        return is_scored(self.bound)

    def of_scored(self, metric: str) -> Floats:
        """A metric, or the score, of the episodes that have a score."""
        return self.values[metric][:, self.scored]

    def of(self, metric: str) -> Floats:
        """Of the episodes that count for a metric: all whose unmanaged load lives to the end."""
        counts = self.scored if metric == SCORE else ~np.isnan(self.bound)
        return self.values[metric][:, counts]


@dataclass(frozen=True, slots=True)
class Panel:
    """All contenders on one set at one budget, on the same episodes."""

    set: str
    budget: float
    strata: Mapping[str, Sequence[Stratum]]
    kinds: Mapping[str, str]
    _summaries: dict[tuple[str, str, Statistic], Summary] = field(default_factory=dict)

    @property
    def contenders(self) -> list[str]:
        """Names, in the order in which they were given."""
        return list(self.strata)

    def summary(
        self, contender: str, metric: str = SCORE, statistic: Statistic = mean_of_strata
    ) -> Summary:
        """Over all episodes of all workloads, those counting that have the metric."""
        key = contender, metric, statistic
        if key not in self._summaries:
            self._summaries[key] = bootstrap(_filled(self.strata[contender], metric), statistic)
        return self._summaries[key]

    def iqm(self, contender: str) -> Summary:
        """The interquartile mean of the score."""
        return self.summary(contender, SCORE, interquartile_mean)

    def by_family(self, contender: str) -> dict[str, Summary]:
        """The mean score of each family."""
        families = self._families(contender)
        return {family: bootstrap(strata) for family, strata in families.items()}

    def worst_family(self, contender: str) -> tuple[str, float]:
        """The family with the lowest mean score, and that."""
        return worst_family(self._families(contender))

    def best(self, *kinds: str, among: Callable[[str], bool] = lambda _: True) -> str | None:
        """The contender of these kinds with the highest interquartile mean."""
        names = [name for name in self.contenders if self.kinds[name] in kinds and among(name)]
        return max(names, key=lambda name: self.iqm(name).value, default=None)

    @property
    def _single_kinds(self) -> frozenset[str]:
        return frozenset(self.kinds.values()) - {POLICY, ORACLE}

    @property
    def best_single(self) -> str | None:
        """The best that is not learned, and is the same for all workloads."""
        return self.best(*self._single_kinds)

    @property
    def best_within(self) -> str | None:
        """The best of those again that are over the budget no more often than ``BREACHES_MAX``."""
        return self.best(
            *self._single_kinds,
            among=lambda name: self.summary(name, "breaches").value <= BREACHES_MAX,
        )

    @property
    def hindsight_within(self) -> Summary | None:
        """The score of an oracle that knows after each episode whom it should have chosen.

        It chooses among all contenders, each training seed being one, so that it is over the
        budget no more often than ``BREACHES_MAX``; None where it cannot be.
        """
        workloads = [w for w in zip(*self.strata.values(), strict=True) if w[0].scored.any()]
        scores, breaches = (
            [np.vstack([stratum.of_scored(metric) for stratum in strata]) for strata in workloads]
            for metric in (SCORE, "breaches")
        )
        chosen = chosen_afterwards(scores, breaches, BREACHES_MAX)
        return None if chosen is None else bootstrap(chosen, interquartile_mean)

    def of_clairvoyant(self, contender: str) -> Summary:
        """What was saved as a share of what could be saved: a ratio of two means."""
        pairs = [
            (stratum.of(SCORE), stratum.of_scored("saving"), stratum.bound)
            for stratum in self.strata[contender]
            if stratum.scored.any()
        ]
        bounds = [np.broadcast_to(bound[is_scored(bound)], s.shape) for _, s, bound in pairs]
        most = float(mean_of_strata([b.reshape(1, -1) for b in bounds])[0])
        saved = float(mean_of_strata([s.reshape(1, -1) for _, s, _ in pairs])[0])
        ratio = saved / most
        # to the first order, a ratio moves as this mean does
        return bootstrap(
            [ratio + (s - ratio * b) / most for (_, s, _), b in zip(pairs, bounds, strict=True)]
        )

    def improvement(self, ours: str, theirs: str) -> Summary:
        """How often the score of one is higher than that of another in the same episode."""
        return self._paired(ours, theirs, improvements)

    def difference(self, ours: str, theirs: str) -> Summary:
        """How much higher the score of one is than that of another in the same episode."""
        return self._paired(ours, theirs, np.subtract)

    def _families(self, contender: str) -> dict[str, list[Floats]]:
        families: dict[str, list[Floats]] = {}
        for stratum in self.strata[contender]:
            if stratum.scored.any():
                families.setdefault(stratum.family, []).append(stratum.of(SCORE))
        return families

    def _paired(
        self, ours: str, theirs: str, compare: Callable[[Floats, Floats], Floats]
    ) -> Summary:
        other = {stratum.workload: stratum for stratum in self.strata[theirs]}
        return bootstrap(
            [
                compare(stratum.of(SCORE), _one_row(other[stratum.workload].of(SCORE)))
                for stratum in self.strata[ours]
                if stratum.scored.any()
            ]
        )

    @property
    def about(self) -> dict[str, object]:
        """What belongs to every figure of it."""
        strata = next(iter(self.strata.values()))
        return {
            "set": self.set,
            "budget": self.budget,
            "workloads": len(strata),
            "seeds": max(len(stratum.bound) for stratum in strata),
            "scored": sum(int(stratum.scored.sum()) for stratum in strata),
            "left_out": sum(int((~stratum.scored).sum()) for stratum in strata),
        }


class Results:
    """Rows of episodes and of bounds, by set and budget.

    Raises:
        ValueError: an episode has no bound.

    """

    def __init__(self, rows: Sequence[_Row], bounds: Sequence[_Row]) -> None:
        self.rows = rows
        limit = {(b["workload_digest"], b["seed"], b["budget"]): b["bound"] for b in bounds}
        cells: dict[tuple[str, float], dict[str, dict[str, list[_Row]]]] = {}
        self._kinds: dict[str, str] = {}
        for row in rows:
            panel = cells.setdefault((row["set"], row["budget"]), {})
            panel.setdefault(row["contender"], {}).setdefault(row["workload"], []).append(row)
            self._kinds[row["contender"]] = row["kind"]
        self.panels: list[Panel] = [
            Panel(
                name,
                budget,
                {
                    contender: [_stratum(rows, limit) for rows in workloads.values()]
                    for contender, workloads in contenders.items()
                },
                self._kinds,
            )
            for (name, budget), contenders in cells.items()
        ]

    @property
    def sets(self) -> list[str]:
        """Names of the sets."""
        return list(dict.fromkeys(panel.set for panel in self.panels))

    @property
    def budgets(self) -> list[float]:
        """Budgets, in rising order."""
        return sorted({panel.budget for panel in self.panels})

    @property
    def contenders(self) -> list[str]:
        """Names, in the order in which they were given."""
        return list(self._kinds)

    def panel(self, set_name: str, budget: float) -> Panel:
        """All contenders on one set at one budget; ``StopIteration`` where there are none."""
        return next(p for p in self.panels if (p.set, p.budget) == (set_name, budget))


def score_figures(results: Results) -> Iterator[Figure]:
    """Figures of every set at every budget.

    Those of the held-out families are called ``score.WHAT``, those of other sets
    ``score.SET.WHAT``.
    """
    for panel in results.panels:
        prefix = SCORE if panel.set == HELD_OUT else f"{SCORE}.{panel.set}"
        yield from _panel_figures(panel, prefix)


def _panel_figures(panel: Panel, prefix: str) -> Iterator[Figure]:
    for name in panel.contenders:
        yield _figure(f"{prefix}.{name}.iqm", panel.iqm(name), panel)
        for metric in METRICS:
            yield _figure(f"{prefix}.{name}.{metric}", panel.summary(name, metric), panel)
    for what, best in (
        ("best_single", panel.best_single),
        ("best_single_within", panel.best_within),
        (PER_WORKLOAD, panel.best(ORACLE)),
    ):
        if best is not None:
            yield _figure(f"{prefix}.{what}.iqm", panel.iqm(best), panel, best)
    if (hindsight := panel.hindsight_within) is not None:
        yield _figure(f"{prefix}.hindsight_within.iqm", hindsight, panel)
    for name in panel.contenders:
        if panel.kinds[name] == POLICY:
            yield from _learned_figures(panel, prefix, name)


def _learned_figures(panel: Panel, prefix: str, learned: str) -> Iterator[Figure]:
    yield _figure(f"{prefix}.{learned}.of_clairvoyant", panel.of_clairvoyant(learned), panel)
    family, mean = panel.worst_family(learned)
    more = {"family": family, **panel.about}
    yield Figure(f"{prefix}.{learned}.worst_family", mean, "score", more)
    for other in panel.contenders:
        if panel.kinds[other] != POLICY:
            over = f"{prefix}.{learned}.over.{other}"
            yield _figure(f"{over}.difference", panel.difference(learned, other), panel)
            chance = panel.improvement(learned, other)
            yield _figure(f"{over}.probability_of_improvement", chance, panel)


def print_table(results: Results, write: Callable[[str], None] = print) -> None:
    """One row a contender, set and budget: with 95 % intervals, best first."""
    for panel in results.panels:
        about = panel.about
        write(
            f"\n{panel.set.replace('_', ' ')}; budget {panel.budget:.1%}, {about['workloads']} "
            f"workloads, {about['seeds']} seeds, {about['left_out']} episodes left out"
        )
        write(
            f"{'contender':30} {'score (IQM)':>20} {'saved':>8} {'slowdown':>9} {'breaches':>9} "
            f" worst family"
        )
        for name in sorted(panel.contenders, key=lambda name: -panel.iqm(name).value):
            write(_line(panel, name))


def _line(panel: Panel, name: str) -> str:
    score = panel.iqm(name)
    saving, slowdown, breaches = (panel.summary(name, metric).value for metric in METRICS)
    family, mean = panel.worst_family(name)
    return (
        f"{name:30} {score.value:6.3f} [{score.low:5.2f},{score.high:5.2f}] {saving:8.1%} "
        f"{slowdown:9.2%} {breaches:9.1%}  {family} {mean:.2f}"
    )


def _stratum(rows: Sequence[_Row], limit: Mapping[tuple[str, int, float], float]) -> Stratum:
    rows = sorted(rows, key=lambda row: (row["training_seed"], row["seed"]))
    nr_trained = len({row["training_seed"] for row in rows})
    first = rows[: len(rows) // nr_trained]
    keys = [(row["workload_digest"], row["seed"], row["budget"]) for row in first]
    if any(key not in limit for key in keys):
        raise ValueError(f"{rows[0]['workload']} has episodes without a bound")
    bound = np.array([limit[key] for key in keys])
    values: dict[str, Floats] = {
        metric: np.array([row[metric] for row in rows]).reshape(nr_trained, -1)
        for metric in METRICS
    }
    budget = np.full(len(first), rows[0]["budget"])
    values[SCORE] = normalised_score(
        values["saving"],
        values["slowdown"],
        np.broadcast_to(bound, values["saving"].shape),
        np.broadcast_to(budget, values["saving"].shape),
    )
    return Stratum(rows[0]["workload"], rows[0]["family"], values, bound)


def _filled(strata: Sequence[Stratum], metric: str) -> list[Floats]:
    return [values for values in (stratum.of(metric) for stratum in strata) if values.size]


def _one_row(values: Floats) -> Floats:
    """The mean over training seeds, where there are several."""
    mean: Floats = values.mean(axis=0, keepdims=True)
    return mean


def _figure(name: str, summary: Summary, panel: Panel, who: str | None = None) -> Figure:
    more: dict[str, object] = {"low": summary.low, "high": summary.high}
    if who is not None:
        more["contender"] = who
    unit = "score" if name.endswith((".iqm", ".difference")) else "share"
    return Figure(name, summary.value, unit, {**more, **panel.about})
