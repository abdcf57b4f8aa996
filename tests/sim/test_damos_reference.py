"""DAMOS in C does exactly what the reference does, call by call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    U32_MAX,
    U64_MAX,
    AccessPattern,
    Action,
    Filter,
    FilterType,
    GoalMetric,
    GoalTuner,
    Operations,
    Quota,
    QuotaGoal,
    Scheme,
)

from . import reference_damos
from .reference import Region

PAGE = 4096
SAMPLES = 20
PAGES = st.one_of(st.integers(1, 8), st.integers(1, 500))


@dataclass
class ScriptedMemory:
    """Memory whose answers follow from what it is asked; remembers the questions."""

    seed: int
    clock: int = 0
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def check_accesses(self, nr_samples: int) -> list[int]:
        raise AssertionError("nothing is sampled here")

    def free_mem_permille(self) -> int:
        raise AssertionError("no watermarks here")

    def apply(
        self, action: int, target: int, start: int, end: int, core_allowed: int
    ) -> tuple[int, int, float]:
        self.asked.append((action, target, start, end, bool(core_allowed)))
        share = (start // PAGE * 7 + self.seed) % 5
        pages = (end - start) // PAGE
        return pages * share // 3 * PAGE, pages * share // 4 * PAGE, pages * 0.25 * share

    def goal_value(self, metric: int, nid: int) -> int:
        return (self.clock // 1_000 + 1) * (metric + nid + 1 + self.seed % 3)


PATTERNS = st.builds(
    AccessPattern,
    st.sampled_from([0, 3 * PAGE]),
    st.sampled_from([U64_MAX, 300 * PAGE]),
    st.sampled_from([0, 0, 3]),
    st.sampled_from([U32_MAX, 10]),
    st.sampled_from([0, 0, 4]),
    st.sampled_from([U32_MAX, 30]),
)
GOALS = st.builds(
    QuotaGoal,
    metric=st.sampled_from([m for m in GoalMetric if m is not GoalMetric.NODE_ELIGIBLE_MEM_BP]),
    target_value=st.integers(1, 40),
    current_value=st.integers(0, 80),
    nid=st.integers(0, 1),
)
QUOTAS = st.builds(
    Quota,
    time_ms=st.sampled_from([0, 0, 1, 5]),
    sz_bytes=st.one_of(st.just(0), st.integers(1, 400 * PAGE)),
    reset_interval_ms=st.sampled_from([0, 100, 250, 1_000]),
    weight_nr_accesses_permille=st.sampled_from([0, 1, 500]),
    weight_age_permille=st.sampled_from([0, 1, 1_000]),
    fail_charge_num=st.sampled_from([0, 1, 3]),
    fail_charge_denom=st.sampled_from([0, 0, 2]),
    goal_tuner=st.sampled_from(GoalTuner),
    goals=st.one_of(st.just(()), st.lists(GOALS, max_size=3).map(tuple)),
)
BORDERS = st.integers(0, 3_000 * PAGE)
ADDRESSES = st.tuples(BORDERS, BORDERS).map(sorted)
FILTERS = st.builds(
    lambda type_, matching, allow, span, target: Filter(
        type_, matching, allow, addr_start=span[0], addr_end=span[1], target=target
    ),
    st.sampled_from([FilterType.ADDR, FilterType.ADDR, FilterType.TARGET, FilterType.ANON]),
    st.booleans(),
    st.booleans(),
    ADDRESSES,
    st.integers(0, 2),
)
SCHEMES = st.builds(
    Scheme,
    action=st.sampled_from(Action),
    pattern=PATTERNS,
    quota=QUOTAS,
    apply_interval_us=st.sampled_from([0, 0, 35_000, U64_MAX]),
    filters=st.one_of(st.just(()), st.lists(FILTERS, max_size=3).map(tuple)),
    max_nr_snapshots=st.sampled_from([0, 0, 3]),
)
ROWS = st.tuples(
    st.integers(0, 2), PAGES, st.integers(0, SAMPLES), st.integers(0, SAMPLES), st.integers(0, 40)
)


@st.composite
def targets(draw: Any) -> list[Region]:
    regions = []
    for target in range(draw(st.integers(1, 3))):
        at = 0
        for gap, size, nr, last, age in draw(st.lists(ROWS, min_size=1, max_size=8)):
            start = at + (gap == 0) * PAGE
            at = start + size * PAGE
            regions.append(Region(start, at, nr, last, age, target))
    return regions


def recounted(region: Region, turn: int) -> Region:
    """The region as another aggregation might have left it."""
    nr = (region.start // PAGE // 64 + turn * 7) % (SAMPLES + 1)
    if nr > 12:
        return region._replace(age=region.age + 1)
    return region._replace(nr_accesses=nr, last_nr_accesses=region.nr_accesses)


@settings(max_examples=400, deadline=None)
@given(
    regions=targets(),
    schemes=st.lists(SCHEMES, min_size=1, max_size=3),
    paddr=st.booleans(),
    steps=st.lists(st.integers(1, 25), min_size=2, max_size=10),
    min_nr_regions=st.integers(3, 12),
    seed=st.integers(0, 100),
)
def test_damos(
    regions: list[Region],
    schemes: list[Scheme],
    paddr: bool,
    steps: list[int],
    min_nr_regions: int,
    seed: int,
) -> None:
    monitor = _core.Monitor(min_nr_regions=min_nr_regions, paddr=paddr)
    monitor.commit_schemes(schemes)
    ours, theirs = ScriptedMemory(seed), ScriptedMemory(seed)
    expected = reference_damos.Context(
        regions=list(regions),
        schemes=[
            reference_damos.RunningScheme(s, (s.apply_interval_us or 100_000) // 5_000)
            for s in schemes
        ],
        sample_us=5_000,
        aggr_us=100_000,
        min_nr_regions=min_nr_regions,
        min_region_sz=PAGE,
        operations=Operations.PADDR if paddr else Operations.VADDR,
        memory=theirs,
        next_aggr=SAMPLES,
    )
    for turn, step in enumerate(steps):
        expected.regions = [recounted(region, turn) for region in expected.regions]
        expected.passed += step
        expected.now_us = ours.clock = theirs.clock = expected.passed * 5_000
        monitor.set_regions(expected.regions)
        monitor.set_passed_samples(expected.passed)
        monitor.apply_schemes(ours, expected.now_us)
        expected.apply_schemes()

        assert ours.asked == theirs.asked
        assert [Region(*region) for region in monitor.regions()] == expected.regions
        assert monitor.broken_invariant() is None
        for state, scheme in zip(monitor.schemes(), expected.schemes, strict=True):
            assert state["stats"] == scheme.stats
            assert (state["esz"], state["esz_bp"]) == (scheme.esz, scheme.esz_bp)
            assert state["charged"] == scheme.charged
            assert state["next_apply_sample"] == scheme.next_apply_sample
            resume = (state["resume_target"], state["resume_addr"]) if state["resumes"] else None
            assert resume == scheme.resume


@settings(max_examples=300, deadline=None)
@given(
    last_input=st.one_of(st.integers(0, 10**6), st.integers(0, U64_MAX)),
    score=st.one_of(st.integers(0, 25_000), st.integers(0, U64_MAX)),
)
def test_feedback_loop(last_input: int, score: int) -> None:
    assert _core.feed_loop(last_input, score) == reference_damos.feed_loop(last_input, score)
