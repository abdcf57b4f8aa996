"""The event-driven main loop in C does what the kernel's does sample by sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.kernel_iface.host import Operations, Scheme

from . import reference_damos
from .reference import Region
from .reference_loop import Loop, Splitter, Xoshiro
from .test_damos_reference import PAGE, SCHEMES, ScriptedMemory

BLOCK = 512 * PAGE


def seen(region: Region, sample: int) -> bool:
    """A hot and a cold part that move slowly, and some noise."""
    heat = (region.start // BLOCK + sample // 300) % 4 * 5
    return (region.start // PAGE * 7919 + sample * 104_729) % 101 % 16 < heat


@dataclass
class SampledMemory(ScriptedMemory):
    """Counts the samples that it was asked about."""

    monitor: _core.Monitor | None = None
    sample: int = 0

    def check_accesses(self, nr_samples: int) -> list[int]:
        assert self.monitor is not None
        first = self.sample + 1
        self.sample += nr_samples
        return [
            sum(seen(Region(*region), first + i) for i in range(nr_samples))
            for region in self.monitor.regions()
        ]


INTERVALS = st.sampled_from([(5_000, 100_000), (5_000, 52_000), (10_000, 100_000), (700, 14_000)])
TURNS = st.one_of(
    st.tuples(st.just("run"), st.integers(1, 300_000)),
    st.tuples(st.just("catch_up_run"), st.integers(1, 300_000)),
    st.tuples(st.just("attrs"), INTERVALS),
    st.tuples(st.just("schemes"), st.lists(SCHEMES, max_size=2)),
    st.tuples(st.just("pause"), st.booleans()),
)
NO_GOAL = (0, 0, 0, 0)


def all_events(monitor: _core.Monitor, memory: SampledMemory, until_us: int) -> None:
    """Run as a host does, from event to event."""
    while monitor.next_event_us() <= until_us:
        event_us = monitor.next_event_us()
        monitor.catch_up(memory, event_us)
        monitor.run(memory, event_us)
    monitor.run(memory, until_us)


@settings(max_examples=100, deadline=None)
@given(
    pages=st.lists(st.integers(1, 3_000), min_size=1, max_size=5),
    intervals=INTERVALS,
    goal=st.sampled_from([NO_GOAL, NO_GOAL, (400, 2, 100, 40_000), (6_000, 1, 700, 20_000)]),
    schemes=st.lists(SCHEMES, max_size=2),
    turns=st.lists(TURNS, min_size=1, max_size=8),
    max_nr_regions=st.integers(6, 60),
    seed=st.integers(0, 2**64 - 1),
)
def test_the_main_loop(
    pages: list[int],
    intervals: tuple[int, int],
    goal: tuple[int, int, int, int],
    schemes: list[Scheme],
    turns: list[tuple[str, Any]],
    max_nr_regions: int,
    seed: int,
) -> None:
    ends = [sum(pages[: i + 1]) * PAGE for i in range(len(pages))]
    regions = [
        Region(end - size * PAGE + i * PAGE, end + i * PAGE, 0, 0, 0, target=i // 2)
        for i, (end, size) in enumerate(zip(ends, pages, strict=True))
    ]
    monitor = _core.Monitor(*intervals, 5, max_nr_regions, seed=seed, intervals_goal=goal)
    ours, theirs = SampledMemory(7, monitor=monitor), ScriptedMemory(7)
    monitor.set_regions(regions)
    monitor.commit_schemes(schemes)
    monitor.start(0)
    monitor.run(ours, 0)
    sample_us, aggr_us = intervals
    loop = Loop(
        reference_damos.Context(
            regions,
            [
                reference_damos.RunningScheme(s, (s.apply_interval_us or aggr_us) // sample_us)
                for s in schemes
            ],
            sample_us,
            aggr_us,
            5,
            PAGE,
            Operations.VADDR,
            theirs,
        ),
        Splitter(Xoshiro(seed), max_nr_regions, PAGE),
        seen,
        goal,
        max_nr_regions,
    )
    loop.start()
    now_us = 0
    for what, value in turns:
        if what == "attrs":
            monitor.commit_attrs(*value)
            loop.new_intervals = value
        elif what == "schemes":
            monitor.commit_schemes(value)
            loop.new_schemes.append(value)
        elif what == "pause":
            monitor.commit_pause(value, now_us)
            loop.paused = value
        else:
            now_us += value
            if what == "run":
                monitor.run(ours, now_us)
            else:
                all_events(monitor, ours, now_us)
            loop.run(now_us)
        assert monitor.intervals() == (loop.context.sample_us, loop.context.aggr_us)
        assert monitor.passed_samples() == loop.context.passed
        assert [Region(*region) for region in monitor.regions()] == loop.context.regions
        assert ours.asked == theirs.asked
        assert monitor.broken_invariant() is None
