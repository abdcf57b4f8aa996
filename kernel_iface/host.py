"""The Host interface, and the values that flow between a host and a policy.

DAMON's words are used for DAMON's things, and every number carries its unit in its name.
Counters in a :class:`Snapshot` only ever grow; whoever reads them takes differences.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from typing import Protocol

U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1


class Action(enum.StrEnum):
    """What a scheme does to the regions that match its access pattern.

    ``paddr`` has ``pageout``, ``lru_prio``, ``lru_deprio``, ``migrate_hot``, ``migrate_cold`` and
    ``stat``; ``vaddr`` has all but ``lru_prio`` and ``lru_deprio``. An action that the
    operations set lacks is accepted by the kernel and does nothing.
    """

    WILLNEED = "willneed"
    COLD = "cold"
    PAGEOUT = "pageout"
    HUGEPAGE = "hugepage"
    NOHUGEPAGE = "nohugepage"
    COLLAPSE = "collapse"
    LRU_PRIO = "lru_prio"
    LRU_DEPRIO = "lru_deprio"
    MIGRATE_HOT = "migrate_hot"
    MIGRATE_COLD = "migrate_cold"
    STAT = "stat"


class Operations(enum.StrEnum):
    """DAMON's operations set: whose memory is monitored.

    ``vaddr`` follows what a process maps; ``fvaddr`` keeps to the ranges that it is given.
    """

    VADDR = "vaddr"
    FVADDR = "fvaddr"
    PADDR = "paddr"


class GoalMetric(enum.StrEnum):
    """What a quota goal measures; ``_bp`` are shares in basis points."""

    USER_INPUT = "user_input"
    SOME_MEM_PSI_US = "some_mem_psi_us"
    NODE_MEM_USED_BP = "node_mem_used_bp"
    NODE_MEM_FREE_BP = "node_mem_free_bp"
    NODE_MEMCG_USED_BP = "node_memcg_used_bp"
    NODE_MEMCG_FREE_BP = "node_memcg_free_bp"
    ACTIVE_MEM_BP = "active_mem_bp"
    INACTIVE_MEM_BP = "inactive_mem_bp"
    NODE_ELIGIBLE_MEM_BP = "node_eligible_mem_bp"


class GoalTuner(enum.StrEnum):
    """How a quota follows its goals: steadily, or all until they are met and then nothing."""

    CONSIST = "consist"
    TEMPORAL = "temporal"


class FilterType(enum.StrEnum):
    """What a scheme's filter looks at: pages, but for the last two, which look at regions."""

    ANON = "anon"
    ACTIVE = "active"
    MEMCG = "memcg"
    YOUNG = "young"
    HUGEPAGE_SIZE = "hugepage_size"
    UNMAPPED = "unmapped"
    ADDR = "addr"
    TARGET = "target"


class ProbeFilterType(enum.StrEnum):
    """What a probe's filter looks at."""

    ANON = "anon"
    MEMCG = "memcg"


class WatermarkMetric(enum.StrEnum):
    """What a scheme's watermarks look at."""

    NONE = "none"
    FREE_MEM_RATE = "free_mem_rate"


@dataclass(frozen=True, slots=True)
class Intervals:
    """DAMON's monitoring intervals; the defaults are the kernel's."""

    sample_us: int = 5_000
    aggr_us: int = 100_000
    update_us: int = 60_000_000

    @property
    def samples_per_aggregation(self) -> int:
        """The largest ``nr_accesses`` a region can have."""
        return self.aggr_us // self.sample_us


@dataclass(frozen=True, slots=True)
class IntervalsGoal:
    """Tune the intervals until ``access_bp`` of the accesses that could be seen are seen.

    The intervals are looked at every ``aggrs`` aggregations; 0 leaves them alone. The number of
    samples per aggregation stays.
    """

    access_bp: int = 0
    aggrs: int = 0
    min_sample_us: int = 0
    max_sample_us: int = 0


@dataclass(frozen=True, slots=True)
class ProbeFilter:
    """One rule of a probe; the first rule that applies to a page decides."""

    type: ProbeFilterType
    matching: bool = False
    allow: bool = False
    memcg_path: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """An attribute of memory that DAMON counts beside accesses, with ``paddr``.

    Where any probe has a weight, DAMON looks at attributes only: ``nr_accesses`` stays 0, and
    regions merge and age by the weighted sum of their hits.
    """

    filters: tuple[ProbeFilter, ...] = ()
    weight: int = 0


@dataclass(frozen=True, slots=True)
class MonitoringAttrs:
    """How DAMON monitors: intervals and the bounds of the number of regions."""

    intervals: Intervals = Intervals()
    min_nr_regions: int = 10
    max_nr_regions: int = 1_000
    intervals_goal: IntervalsGoal = IntervalsGoal()
    probes: tuple[Probe, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessPattern:
    """Closed ranges; ages are counted in aggregation intervals."""

    min_sz_bytes: int = 0
    max_sz_bytes: int = U64_MAX
    min_nr_accesses: int = 0
    max_nr_accesses: int = U32_MAX
    min_age: int = 0
    max_age: int = U32_MAX


@dataclass(frozen=True, slots=True)
class QuotaGoal:
    """What a quota is tuned for; a scheme with several follows the one that is met best.

    ``current_value`` is an input for ``user_input`` and ignored otherwise.
    """

    metric: GoalMetric
    target_value: int
    current_value: int = 0
    nid: int = 0
    memcg_path: str = ""


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a scheme may do in each reset interval; 0 means no limit of that kind.

    Of what was tried and not applied, ``fail_charge_num / fail_charge_denom`` is charged; with
    a denominator of 0, all of it.
    """

    time_ms: int = 0
    sz_bytes: int = 0
    reset_interval_ms: int = 0
    weight_sz_permille: int = 0
    weight_nr_accesses_permille: int = 0
    weight_age_permille: int = 0
    fail_charge_num: int = 0
    fail_charge_denom: int = 0
    goal_tuner: GoalTuner = GoalTuner.CONSIST
    goals: tuple[QuotaGoal, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """Decides by ``allow`` on memory for which being of the type equals ``matching``.

    The first filter that applies decides. Where none does, what the last one does not apply to
    is treated the other way round. Filters of regions come before filters of pages.
    """

    type: FilterType
    matching: bool = False
    allow: bool = False
    memcg_path: str = ""
    addr_start: int = 0
    addr_end: int = 0
    min_bytes: int = 0
    max_bytes: int = 0
    target: int = 0


@dataclass(frozen=True, slots=True)
class Dest:
    """One of several nodes that a migration spreads pages over, by weight."""

    nid: int = 0
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Watermarks:
    """The metric's range, in permille, in which a scheme is active."""

    metric: WatermarkMetric = WatermarkMetric.NONE
    interval_us: int = 0
    high_permille: int = 0
    mid_permille: int = 0
    low_permille: int = 0


@dataclass(frozen=True, slots=True)
class Scheme:
    """One DAMON-based operation scheme."""

    action: Action
    pattern: AccessPattern = AccessPattern()
    quota: Quota = Quota()
    watermarks: Watermarks = Watermarks()
    apply_interval_us: int = 0
    filters: tuple[Filter, ...] = ()
    target_nid: int = -1
    dests: tuple[Dest, ...] = ()
    max_nr_snapshots: int = 0


@dataclass(frozen=True, slots=True)
class SchemeStats:
    """What a scheme has done since monitoring started."""

    nr_tried: int = 0
    sz_tried_bytes: int = 0
    nr_applied: int = 0
    sz_applied_bytes: int = 0
    qt_exceeds: int = 0
    effective_quota_bytes: int = 0
    sz_ops_filter_passed_bytes: int = 0
    nr_snapshots: int = 0


@dataclass(frozen=True, slots=True)
class Region:
    """One monitoring region; ``age`` is counted in aggregation intervals.

    ``probe_hits`` has the samples of the last aggregation that hit each probe, if there are any.
    """

    start: int
    end: int
    nr_accesses: int
    age: int
    probe_hits: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a policy may see of a host at one instant.

    The memory of the tenant (a process with ``vaddr``, the whole host with ``paddr``) is
    ``resident_bytes + swapped_bytes``. ``compressed_bytes`` is the memory that the host's
    compressed pool occupies (zram, zswap). The remaining fields without ``total`` or ``free``
    are counters since an arbitrary start. ``psi_some_us`` is the host's memory pressure.
    ``swap_in_us`` is what one major fault costs on this host, as measured or configured.

    Where the host can tell, ``disk_in_us`` is what one costs that reads a disk (swap that is no
    zram, or a file), 0 where it costs the same or is not known. Of what the host has swapped out,
    ``disk_swapped_share`` lies on disks; ``swap_ins`` counts the pages that it brought back from
    swap. ``competing_us`` is CPU time that DAMON's threads took from others: theirs, times the
    busy share of the CPUs.

    What follows is only there for the knobs that need it, and 0 elsewhere. ``slow_bytes`` and
    ``huge_bytes`` of what is resident lie outside of the fastest tier, and in huge pages. On a
    host with several tiers ``fast_total_bytes`` and ``fast_free_bytes`` are of the fastest;
    ``promoted_bytes`` and ``demoted_bytes`` count what schemes of the nodes moved for this tenant;
    ``slow_heat_share`` is the share of the accesses seen now, by samples and bytes, that slower
    nodes serve. ``offline_bytes`` of memory blocks are offline because of us, and
    ``offlinable_bytes`` more could go.
    """

    time_us: int
    intervals: Intervals
    regions: tuple[Region, ...]
    scheme_stats: tuple[SchemeStats, ...]
    resident_bytes: int
    swapped_bytes: int
    compressed_bytes: int
    memory_total_bytes: int
    memory_free_bytes: int
    swap_total_bytes: int
    swap_free_bytes: int
    major_faults: int
    cpu_time_us: int
    psi_some_us: int
    swap_in_us: float
    disk_in_us: float = 0.0
    disk_swapped_share: float = 0.0
    swap_ins: int = 0
    competing_us: int = 0
    slow_bytes: int = 0
    huge_bytes: int = 0
    fast_total_bytes: int = 0
    fast_free_bytes: int = 0
    promoted_bytes: int = 0
    demoted_bytes: int = 0
    slow_heat_share: float = 0.0
    offline_bytes: int = 0
    offlinable_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """One process, or physical memory, and the ranges of it that are monitored.

    Without ranges, ``vaddr`` finds those that the process uses; every other operations set
    monitors nothing. A target that ``is_obsolete`` is removed by the next commit.
    """

    pid: int | None = None
    ranges: tuple[tuple[int, int], ...] = ()
    is_obsolete: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What DAMON monitors: processes (``vaddr``, ``fvaddr``) or physical memory (``paddr``).

    ``pid`` and ``ranges`` are short for one target, and become ``targets``. With ``paddr``, an
    address of DAMON's times ``addr_unit`` is a physical address. While it ``is_paused``, regions
    are kept and nothing else happens.
    """

    operations: Operations = Operations.VADDR
    attrs: MonitoringAttrs = MonitoringAttrs()
    pid: InitVar[int | None] = None
    ranges: InitVar[tuple[tuple[int, int], ...]] = ()
    targets: tuple[Target, ...] = ()
    addr_unit: int = 1
    is_paused: bool = False

    def __post_init__(self, pid: int | None, ranges: tuple[tuple[int, int], ...]) -> None:
        """Make the target that was given in short.

        Raises:
            ValueError: a process with ``paddr``, or two ways to give the target.
        """
        if pid is not None or ranges:
            if self.targets:
                raise ValueError("give targets, or pid and ranges, not both")
            object.__setattr__(self, "targets", (Target(pid, ranges),))
        if self.operations is Operations.PADDR and any(t.pid is not None for t in self.targets):
            raise ValueError("paddr monitors physical memory: give no pid")


@dataclass(frozen=True, slots=True)
class KdamondSpec:
    """One worker of DAMON's, with its context and schemes.

    Every ``refresh_ms`` the kernel writes tuned intervals, statistics and effective quotas to
    their files by itself; 0 means only when asked.
    """

    context: Context = Context()
    schemes: tuple[Scheme, ...] = ()
    refresh_ms: int = 0


class Host(Protocol):
    """One host under one monitoring context.

    The calls come in this order: ``start``, then any number of ``advance``, ``snapshot`` and
    ``apply``, then ``stop``. ``stop`` may come at any time and any number of times, and leaves
    the host as ``start`` found it.
    """

    def start(self, schemes: Sequence[Scheme]) -> None:
        """Begin monitoring with ``schemes``."""

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass: simulated time in the simulator, real time on a real host."""

    def snapshot(self) -> Snapshot:
        """Observe; raises ``TargetGoneError`` when the managed process has exited."""

    def apply(self, schemes: Sequence[Scheme]) -> None:
        """Replace the running schemes, keeping regions, ages and statistics."""

    def stop(self) -> None:
        """Stop monitoring and put back everything that was changed."""
