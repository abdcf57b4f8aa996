"""Sleeping, pausing and refusing: what the main loop does beside monitoring."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Dest,
    Filter,
    FilterType,
    GoalMetric,
    Quota,
    QuotaGoal,
    Scheme,
    WatermarkMetric,
    Watermarks,
)

STAT = Scheme(Action.STAT)
WATCHED = replace(
    STAT, watermarks=Watermarks(WatermarkMetric.FREE_MEM_RATE, 1_000_000, 500, 400, 200)
)
END = 1 << 30


@dataclass
class IdleMemory:
    free_permille: int = 300
    samples: int = 0

    def check_accesses(self, nr_samples: int) -> list[int]:
        self.samples += nr_samples
        return [0] * 1_000

    def apply(
        self, action: int, target: int, start: int, end: int, core_allowed: int
    ) -> tuple[int, int, float]:
        return end - start, 0, 0.0

    def goal_value(self, metric: int, nid: int) -> int:
        return 0

    def free_mem_permille(self) -> int:
        return self.free_permille


def started(memory: IdleMemory, *schemes: Scheme) -> _core.Monitor:
    monitor = _core.Monitor()
    monitor.set_regions([(0, END, 0, 0, 0)])
    monitor.commit_schemes(schemes)
    monitor.start(0)
    monitor.run(memory, 0)
    return monitor


def test_a_sleeping_kdamond_takes_no_sample_and_looks_again_in_time() -> None:
    memory = IdleMemory(free_permille=800)
    monitor = started(memory, WATCHED)
    assert monitor.next_event_us() == 1_000_000
    monitor.run(memory, 2_999_999)
    assert memory.samples == 0
    memory.free_permille = 300
    monitor.run(memory, 3_000_000)
    # samples are counted from waking up
    assert monitor.next_event_us() == 3_100_000
    monitor.run(memory, 3_104_999)
    assert memory.samples == 20
    assert monitor.schemes()[0]["stats"][0] > 0


def test_a_commit_reaches_a_sleeping_kdamond_when_it_looks() -> None:
    memory = IdleMemory(free_permille=800)
    monitor = started(memory, WATCHED)
    monitor.run(memory, 500_000)
    monitor.commit_schemes([STAT])
    monitor.commit_attrs(10_000, 50_000)
    monitor.run(memory, 999_999)
    assert (memory.samples, monitor.intervals()) == (0, (5_000, 100_000))
    monitor.run(memory, 1_000_000)
    assert monitor.intervals() == (10_000, 50_000)
    assert monitor.next_event_us() == 1_050_000


def test_a_paused_kdamond_goes_on_where_it_stopped() -> None:
    memory = IdleMemory()
    monitor = started(memory, STAT)
    monitor.run(memory, 42_000)
    monitor.commit_pause(True, 42_000)
    monitor.run(memory, 10_000_000)
    assert memory.samples == 9
    monitor.commit_pause(False, 10_000_000)
    assert monitor.next_event_us() == 10_005_000
    monitor.run(memory, 10_005_000 + 11 * 5_000)
    assert memory.samples == 20
    assert monitor.schemes()[0]["stats"][0] > 0


def test_a_scheme_with_a_number_of_snapshots_stops_after_them() -> None:
    memory = IdleMemory()
    monitor = started(memory, replace(STAT, max_nr_snapshots=3))
    monitor.run(memory, 300_000)
    tried = monitor.schemes()[0]["stats"]
    monitor.run(memory, 3_000_000)
    assert monitor.schemes()[0]["stats"][:2] == tried[:2]
    assert tried[1] == 3 * END


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        (replace(STAT, pattern=AccessPattern(min_age=2, max_age=1)), "min_age"),
        (replace(STAT, quota=Quota(goals=(QuotaGoal(GoalMetric.USER_INPUT, 0),))), "target_value"),
        (
            replace(STAT, quota=Quota(goals=(QuotaGoal(GoalMetric.USER_INPUT, 1),) * 5)),
            "goals: at most 4",
        ),
        (
            replace(STAT, quota=Quota(goals=(QuotaGoal(GoalMetric.NODE_ELIGIBLE_MEM_BP, 1),))),
            "paddr",
        ),
        (replace(STAT, filters=(Filter(FilterType.ADDR, addr_start=1),)), "addr_start"),
        (replace(STAT, filters=(Filter(FilterType.HUGEPAGE_SIZE, min_bytes=1),)), "min_bytes"),
        (replace(STAT, filters=(Filter(FilterType.ANON),) * 9), "filters: at most 8"),
        (replace(STAT, filters=(Filter(FilterType.MEMCG, memcg_path="/x"),)), "memcg_path"),
        (replace(STAT, dests=(Dest(),) * 5), "dests: at most 4"),
    ],
)
def test_a_scheme_that_makes_no_sense_is_refused(scheme: Scheme, message: str) -> None:
    monitor = _core.Monitor()
    with pytest.raises(ValueError, match=message):
        monitor.commit_schemes([scheme])
    assert monitor.schemes() == []


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ((400, 3, 6_000, 5_000), "must not exceed max_sample_us"),
        ((400, 3, 0, 5_000), "min_sample_us must be at least 1"),
        ((400, 3, 6_000, 9_000), "between"),
        ((400, 3, 5_000, 2**60), "2\\^40"),
        ((10_001, 3, 5_000, 6_000), "access_bp"),
    ],
)
def test_an_intervals_goal_that_makes_no_sense_is_refused(
    goal: tuple[int, int, int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _core.Monitor(intervals_goal=goal)


@pytest.mark.parametrize(
    ("aggr_us", "weights", "message"),
    [
        (2_000_000, (1,), "255 samples"),
        (100_000, (2**31, 2**31), "2\\^32"),
        (100_000, (1,) * 5, "at most 4"),
    ],
)
def test_probes_that_could_overflow_are_refused(
    aggr_us: int, weights: tuple[int, ...], message: str
) -> None:
    monitor = _core.Monitor(aggr_us=aggr_us)
    with pytest.raises(ValueError, match=message):
        monitor.set_probes(*weights)
