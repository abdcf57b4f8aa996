"""DAMOS once more, on plain lists and integers of any size: what the C code is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from damon_tuner.kernel_iface.host import (
    Action,
    Filter,
    FilterType,
    GoalMetric,
    GoalTuner,
    Operations,
    QuotaGoal,
    Scheme,
)

from .reference import Region, hot_score, mvsum

U64_MAX = 2**64 - 1
MAX_SCORE = 99
ACTIONS = tuple(Action)
METRICS = tuple(GoalMetric)
HOT = {
    Operations.VADDR: {Action.MIGRATE_HOT},
    Operations.PADDR: {Action.MIGRATE_HOT, Action.LRU_PRIO},
}
COLD = {
    Operations.VADDR: {Action.PAGEOUT, Action.MIGRATE_COLD},
    Operations.PADDR: {Action.PAGEOUT, Action.MIGRATE_COLD, Action.LRU_DEPRIO},
}
LRU = {Action.LRU_PRIO, Action.LRU_DEPRIO}
EVERYWHERE = {Action.PAGEOUT, Action.MIGRATE_HOT, Action.MIGRATE_COLD, Action.STAT}


class Memory(Protocol):
    def apply(
        self, action: int, target: int, start: int, end: int, core_allowed: int
    ) -> tuple[int, int, float]: ...

    def goal_value(self, metric: int, nid: int) -> int: ...


def feed_loop(last_input: int, score: int) -> int:
    goal = least = 10_000
    if score == goal:
        return last_input
    if score >= 2 * goal:
        return least
    diff = abs(score - goal)
    if last_input < U64_MAX // diff:
        compensation = last_input * diff // goal
    else:
        compensation = last_input // goal * diff
    if score > goal:
        return max(last_input - compensation, least)
    return min(last_input + compensation, U64_MAX)


def is_core(rule: Filter) -> bool:
    return rule.type in (FilterType.ADDR, FilterType.TARGET)


@dataclass
class RunningScheme:
    scheme: Scheme
    next_apply_sample: int
    esz: int = 0
    esz_bp: int = 0
    charged: int = 0
    charged_from_us: int | None = None
    total_charged: int = 0
    total_charged_us: float = 0.0
    min_score: int = 0
    resume: tuple[int, int] | None = None
    last_psi: dict[int, int] = field(default_factory=dict)
    nr_tried: int = 0
    sz_tried: int = 0
    nr_applied: int = 0
    sz_applied: int = 0
    qt_exceeds: int = 0
    sz_passed: int = 0
    nr_snapshots: int = 0

    @property
    def stats(self) -> tuple[int, ...]:
        return (
            self.nr_tried,
            self.sz_tried,
            self.nr_applied,
            self.sz_applied,
            self.qt_exceeds,
            self.esz,
            self.sz_passed,
            self.nr_snapshots,
        )

    @property
    def quota_is_set(self) -> bool:
        quota = self.scheme.quota
        return bool(self.esz or quota.sz_bytes or quota.time_ms or quota.goals)


@dataclass
class Context:
    regions: list[Region]
    schemes: list[RunningScheme]
    sample_us: int
    aggr_us: int
    min_nr_regions: int
    min_region_sz: int
    operations: Operations
    memory: Memory
    passed: int = 0
    next_aggr: int = 0
    now_us: int = 0

    def apply_schemes(self) -> None:
        due = [s for s in self.schemes if self.passed >= s.next_apply_sample]
        for s in due:
            self.adjust_quota(s)
        if not due:
            return
        total = sum(region.size for region in self.regions)
        limit = max(total // self.min_nr_regions, self.min_region_sz)
        i = 0
        while i < len(self.regions):
            for s in due:
                self.try_scheme(s, i)
            if i and self.tell_the_same(i, limit):
                left = self.regions[i - 1]
                self.regions[i - 1 : i + 1] = [left._replace(end=self.regions[i].end)]
            else:
                i += 1
        for s in due:
            interval_us = s.scheme.apply_interval_us or self.aggr_us
            s.next_apply_sample = min(self.passed + interval_us // self.sample_us, U64_MAX)

    def tell_the_same(self, i: int, limit: int) -> bool:
        left, right = self.regions[i - 1], self.regions[i]
        return (
            (left.target, left.end) == (right.target, right.start)
            and (left.age, left.nr_accesses, left.last_nr_accesses)
            == (right.age, right.nr_accesses, right.last_nr_accesses)
            and right.end - left.start <= limit
        )

    def split(self, i: int, size: int) -> None:
        region = self.regions[i]
        middle = region.start + size
        self.regions[i : i + 1] = [region._replace(end=middle), region._replace(start=middle)]

    def is_last_of_target(self, i: int) -> bool:
        following = self.regions[i + 1 : i + 2]
        return not following or following[0].target != self.regions[i].target

    def nr_accesses(self, region: Region) -> int:
        samples = self.aggr_us // self.sample_us
        left = max(0, self.next_aggr - self.passed) * 10_000 // samples
        return mvsum(region.nr_accesses, region.last_nr_accesses, left)

    def matches(self, s: RunningScheme, region: Region) -> bool:
        pattern = s.scheme.pattern
        return (
            pattern.min_sz_bytes <= region.size <= pattern.max_sz_bytes
            and pattern.min_nr_accesses <= self.nr_accesses(region) <= pattern.max_nr_accesses
            and pattern.min_age <= region.age <= pattern.max_age
        )

    def score(self, s: RunningScheme, region: Region) -> int:
        quota, action = s.scheme.quota, s.scheme.action
        if action not in HOT[self.operations] | COLD[self.operations]:
            return MAX_SCORE
        hot = hot_score(
            self.nr_accesses(region),
            region.age,
            self.sample_us,
            self.aggr_us,
            quota.weight_nr_accesses_permille,
            quota.weight_age_permille,
        )
        return hot if action in HOT[self.operations] else MAX_SCORE - hot

    def quota_is_full(self, s: RunningScheme) -> bool:
        return s.quota_is_set and s.esz - s.charged < self.min_region_sz

    def adjust_quota(self, s: RunningScheme) -> None:
        if not s.quota_is_set:
            return
        if s.charged_from_us is None:
            s.charged_from_us = self.now_us
            s.esz = self.effective_quota(s)
        if self.now_us >= s.charged_from_us + 1_000 * s.scheme.quota.reset_interval_ms:
            s.qt_exceeds += self.quota_is_full(s)
            s.total_charged += s.charged
            s.charged_from_us, s.charged = self.now_us, 0
            s.esz = self.effective_quota(s)
        s.min_score = self.lowest_score(s)

    def lowest_score(self, s: RunningScheme) -> int:
        sizes = [0] * (MAX_SCORE + 1)
        i = 0
        while i < len(self.regions):
            if self.matches(s, self.regions[i]) and not self.core_filters_reject(s, i)[0]:
                sizes[self.score(s, self.regions[i])] += self.regions[i].size
            i += 1
        score = max((score for score, size in enumerate(sizes) if size), default=0)
        cumulated = sizes[score]
        while cumulated < s.esz and score:
            score -= 1
            cumulated += sizes[score]
        return score

    def effective_quota(self, s: RunningScheme) -> int:
        quota = s.scheme.quota
        if not quota.time_ms and not quota.goals:
            return quota.sz_bytes
        limits = [U64_MAX]
        if quota.goals:
            score = max(
                min(self.goal_value(s, i, goal) * 10_000 // goal.target_value, U64_MAX)
                for i, goal in enumerate(quota.goals)
            )
            if quota.goal_tuner is GoalTuner.CONSIST:
                s.esz_bp = feed_loop(max(s.esz_bp, 10_000), score)
            elif score >= 10_000:
                s.esz_bp = 0
            else:
                s.esz_bp = min(quota.sz_bytes * 10_000, U64_MAX) if quota.sz_bytes else U64_MAX
            limits.append(s.esz_bp // 10_000)
        if quota.time_ms:
            total_ns = int(s.total_charged_us * 1e3)
            speed = s.total_charged * 1_000_000 // total_ns if total_ns else 4096 * 1024
            limits.append(max(min(speed * quota.time_ms, U64_MAX), self.min_region_sz))
        if quota.sz_bytes:
            limits.append(quota.sz_bytes)
        return min(limits)

    def goal_value(self, s: RunningScheme, i: int, goal: QuotaGoal) -> int:
        if goal.metric is GoalMetric.USER_INPUT:
            return goal.current_value
        value = self.memory.goal_value(METRICS.index(goal.metric), goal.nid)
        if goal.metric is not GoalMetric.SOME_MEM_PSI_US:
            return value
        last = s.last_psi.get(i)
        s.last_psi[i] = value
        if last is not None:
            return value - last
        neutral = s.scheme.quota.goal_tuner is GoalTuner.CONSIST or not s.esz
        return goal.target_value if neutral else 0

    def core_filters_reject(self, s: RunningScheme, i: int) -> tuple[bool, bool]:
        """Whether region ``i`` is left out, and whether a filter let it in."""
        rules = s.scheme.filters
        core = [rule for rule in rules if is_core(rule)]
        for rule in core:
            if self.is_of_type(rule, i) == rule.matching:
                return not rule.allow, rule.allow
        if not core or any(not is_core(rule) for rule in rules):
            return False, False
        return core[-1].allow, False

    def is_of_type(self, rule: Filter, i: int) -> bool:
        region, m = self.regions[i], self.min_region_sz
        if rule.type is FilterType.TARGET:
            return region.target == rule.target
        start, end = rule.addr_start // m * m, rule.addr_end // m * m
        if start <= region.start and region.end <= end:
            return True
        if region.end <= start or end <= region.start:
            return False
        inside = region.start >= start
        self.split(i, (end if inside else start) - region.start)
        return inside

    def skips_what_was_charged(self, s: RunningScheme, i: int) -> bool:
        if s.resume is None:
            return False
        target, addr = s.resume
        region, m = self.regions[i], self.min_region_sz
        if region.target != target:
            return True
        skip = region.start < addr
        if region.start < addr < region.end:
            size = max((addr - region.start) // m * m, m)
            if size < region.size:
                self.split(i, size)
        if self.is_last_of_target(i):
            s.resume = None
        return skip

    def try_scheme(self, s: RunningScheme, i: int) -> None:
        if self.quota_is_full(s) or self.skips_what_was_charged(s, i):
            return
        if 0 < s.scheme.max_nr_snapshots <= s.nr_snapshots:
            return
        region = self.regions[i]
        if self.matches(s, region) and not (
            s.quota_is_set and self.score(s, region) < s.min_score
        ):
            self.apply_scheme(s, i)
        s.nr_snapshots += self.is_last_of_target(i)

    def apply_scheme(self, s: RunningScheme, i: int) -> None:
        m = self.min_region_sz
        if s.quota_is_set and s.charged + self.regions[i].size > s.esz:
            self.split(i, (s.esz - s.charged) // m * m)
        rejected, allowed = self.core_filters_reject(s, i)
        if rejected:
            return
        region, action = self.regions[i], s.scheme.action
        applied, passed, elapsed_us = 0, 0, 0.0
        other = LRU if self.operations is Operations.PADDR else set(Action) - LRU
        if action in EVERYWHERE | other:
            applied, passed, elapsed_us = self.memory.apply(
                ACTIONS.index(action), region.target, region.start, region.end, allowed
            )
        s.total_charged_us += elapsed_us
        s.charged = min(s.charged + self.charge(s, region.size, applied), U64_MAX)
        if self.quota_is_full(s):
            s.resume = (region.target, region.end)
        if action is not Action.STAT:
            self.regions[i] = region._replace(age=0)
        s.nr_tried += 1
        s.sz_tried += region.size
        s.nr_applied += applied > 0
        s.sz_applied += applied
        s.sz_passed += passed

    def charge(self, s: RunningScheme, size: int, applied: int) -> int:
        num, denom = s.scheme.quota.fail_charge_num, s.scheme.quota.fail_charge_denom
        if not denom or applied > size:
            return size
        return min(applied + min((size - applied) * num // denom, U64_MAX), U64_MAX)


def tuned_sample_us(
    regions: Sequence[Region], sample_us: int, samples: int, goal: tuple[int, int, int, int]
) -> int | None:
    """The sampling interval that the goal (access_bp, aggrs, min_us, max_us) asks for.

    None leaves everything as it is, where the same interval would be set once more.
    """
    access_bp, _, min_us, max_us = goal
    events = sum(region.size * region.nr_accesses for region in regions)
    possible = sum(region.size * samples for region in regions)
    score = events * 10_000 // max(possible * access_bp // 10_000, 1)
    adaptation_bp = feed_loop(100_000_000, min(score, U64_MAX)) // 10_000
    if adaptation_bp <= 10_000:
        adaptation_bp = 5_000 + adaptation_bp // 2
    if adaptation_bp == 10_000:
        return None
    return max(min_us, min(max_us, sample_us * adaptation_bp // 10_000))
