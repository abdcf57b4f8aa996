"""Derived attributes against the truth: precision, recall, and the error of reuse intervals.

Twice: as the decision path sees a host (its own monitoring, every 5 s), and as
``damon-tuner attributes`` watches one (more regions, every second).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from damon_tuner import _core
from damon_tuner.benchmarks.attributes.cost import cost_figures
from damon_tuner.benchmarks.attributes.truth import TICK_S, Recorder, Truth
from damon_tuner.benchmarks.blocks import block_middles, load_range
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.envs.workload_file import bundled_workload
from damon_tuner.kernel_iface.host import MonitoringAttrs
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.attributes import REPORT_MONITORING, Attributes, Chunk
from damon_tuner.policies.decision import CONTROL_INTERVAL_S, MONITORING

STEPS = 256
SEEDS = range(8)
"""Thresholds were chosen on others, from 1000 on."""


@dataclass(frozen=True, slots=True)
class View:
    """How a host is watched."""

    name: str
    monitoring: MonitoringAttrs
    interval_s: float


VIEWS = (View("decision", MONITORING, CONTROL_INTERVAL_S), View("report", REPORT_MONITORING, 1.0))


@dataclass(slots=True)
class Tally:
    """Counts of what is there and found, there and not, not there and found."""

    hit: int = 0
    missed: int = 0
    false: int = 0

    def add(self, there: NDArray[np.bool_], found: NDArray[np.bool_]) -> None:
        """Count one episode's."""
        self.hit += int((there & found).sum())
        self.missed += int((there & ~found).sum())
        self.false += int((~there & found).sum())

    def take(self, other: Tally) -> None:
        """Count another's too."""
        self.hit += other.hit
        self.missed += other.missed
        self.false += other.false


@dataclass(slots=True)
class Score:
    """What several episodes say of the attributes."""

    tallies: dict[str, Tally] = field(
        default_factory=lambda: {
            name: Tally() for name in ("sequential", "irregular", "colocated")
        }
    )
    reuse_errors: list[float] = field(default_factory=list)
    """Logarithms (base 2) of the estimated over the true reuse interval."""

    def take(self, other: Score) -> None:
        """Add the episodes of another."""
        for name, tally in other.tallies.items():
            self.tallies[name].take(tally)
        self.reuse_errors += other.reuse_errors


def attribute_figures(
    families: Sequence[str] = tuple(_core.FAMILIES), seeds: Sequence[int] = SEEDS
) -> list[Figure]:
    """``attributes.VIEW.FAMILY.ATTRIBUTE.precision``, ``.recall``, and of reuse ``.error``."""
    figures: list[Figure] = []
    episodes = len(VIEWS) * len(families) * len(seeds)
    with tqdm(total=episodes, unit="episode", disable=None) as bar:
        for view in VIEWS:
            total = Score()
            for family in families:
                score = Score()
                for seed in seeds:
                    score.take(episode_score(family, seed, view))
                    bar.update()
                total.take(score)
                figures += _figures(f"attributes.{view.name}.{family}", score)
            figures += _figures(f"attributes.{view.name}.all", total)
    return [*figures, *cost_figures()]


def episode_score(family: str, seed: int, view: View) -> Score:
    """Watch one host that nobody manages for as many steps as a history has."""
    host = SimHost(bundled_workload(family).spec(), seed=seed, attrs=view.monitoring)
    host.start(())
    recorder, attributes = Recorder(host, STEPS * view.interval_s), Attributes()
    for _ in range(STEPS):
        for _ in range(round(view.interval_s / TICK_S)):
            host.advance(TICK_S)
            recorder.look()
        snapshot = host.snapshot()
        attributes.update(snapshot)
    return _compare(attributes.chunks(), recorder.truth(), load_range(snapshot))


def _compare(chunks: Sequence[Chunk], truth: Truth, within: tuple[int, int]) -> Score:
    score = Score()
    blocks = [_blocks_of(chunk, within, len(truth.begins)) for chunk in chunks]
    for name, there in (
        ("sequential", truth.is_sequential),
        ("irregular", truth.is_irregular),
    ):
        most = [len(b) > 0 and bool(there[b].mean() >= 0.5) for b in blocks]
        score.tallies[name].add(np.array(most), np.array([c.pattern == name for c in chunks]))
    own = [(c, b) for c, b in zip(chunks, blocks, strict=True) if len(b)]
    group = np.array([c.group or 0 for c, _ in own])
    pairs = np.triu_indices(len(own), 1)
    together = truth.together(np.array([b[len(b) // 2] for _, b in own], np.int64))
    same = (group[:, None] == group[None, :]) & (group[:, None] > 0)
    score.tallies["colocated"].add(together[pairs], same[pairs])
    reuse_s = truth.reuse_s
    for chunk, b in own:
        known = reuse_s[b][~np.isnan(reuse_s[b])]
        if chunk.reuse_s and 2 * len(known) >= len(b):
            score.reuse_errors.append(float(np.log2(chunk.reuse_s / np.median(known))))
    return score


def _blocks_of(chunk: Chunk, within: tuple[int, int], nr_blocks: int) -> NDArray[np.int64]:
    """The blocks whose middle is in the chunk."""
    middle = block_middles(within, nr_blocks)
    return np.nonzero((middle >= chunk.start) & (middle < chunk.end))[0]


def _figures(prefix: str, score: Score) -> Iterator[Figure]:
    for name, tally in score.tallies.items():
        found, there = tally.hit + tally.false, tally.hit + tally.missed
        yield Figure(
            f"{prefix}.{name}.precision", _share(tally.hit, found), "share", {"of": found}
        )
        yield Figure(f"{prefix}.{name}.recall", _share(tally.hit, there), "share", {"of": there})
    errors = np.abs(np.array(score.reuse_errors))
    median = 2.0 ** float(np.median(errors)) if len(errors) else np.nan
    within = _share(int((errors <= 1.0).sum()), len(errors))
    more = {"within_factor_2_share": within if len(errors) else None, "of": len(errors)}
    yield Figure(f"{prefix}.reuse.error", median, "factor", more)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else np.nan
