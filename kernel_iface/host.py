"""The Host interface, and the values that flow between a host and a policy.

DAMON's words are used for DAMON's things, and every number carries its unit in its name.
Counters in a :class:`Snapshot` only ever grow; whoever reads them takes differences.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1


class Action(enum.StrEnum):
    """What a scheme does to the regions that match its access pattern."""

    STAT = "stat"
    PAGEOUT = "pageout"


class Operations(enum.StrEnum):
    """DAMON's operations set: whose memory is monitored."""

    VADDR = "vaddr"
    PADDR = "paddr"


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
class MonitoringAttrs:
    """How DAMON monitors: intervals and the bounds of the number of regions."""

    intervals: Intervals = Intervals()
    min_nr_regions: int = 10
    max_nr_regions: int = 1_000


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
class Quota:
    """How much a scheme may do in each reset interval; 0 means no limit of that kind."""

    time_ms: int = 0
    sz_bytes: int = 0
    reset_interval_ms: int = 0
    weight_sz_permille: int = 0
    weight_nr_accesses_permille: int = 0
    weight_age_permille: int = 0


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


@dataclass(frozen=True, slots=True)
class SchemeStats:
    """What a scheme has done since monitoring started."""

    nr_tried: int = 0
    sz_tried_bytes: int = 0
    nr_applied: int = 0
    sz_applied_bytes: int = 0
    qt_exceeds: int = 0
    effective_quota_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Region:
    """One monitoring region; ``age`` is counted in aggregation intervals."""

    start: int
    end: int
    nr_accesses: int
    age: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a policy may see of a host at one instant.

    The memory of the tenant (a process with ``vaddr``, the whole host with ``paddr``) is
    ``resident_bytes + swapped_bytes``. ``compressed_bytes`` is the memory that the host's
    compressed pool occupies (zram, zswap). The remaining fields without ``total`` or ``free``
    are counters since an arbitrary start. ``psi_some_us`` is the host's memory pressure.
    ``swap_in_us`` is what one major fault costs on this host, as measured or configured.
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


@dataclass(frozen=True, slots=True)
class Context:
    """What DAMON monitors: a process (``vaddr``) or ranges of physical memory (``paddr``)."""

    operations: Operations = Operations.VADDR
    attrs: MonitoringAttrs = MonitoringAttrs()
    pid: int | None = None
    ranges: tuple[tuple[int, int], ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse a context that DAMON could not monitor (``ValueError``)."""
        if self.operations is Operations.VADDR and (self.pid is None or self.ranges):
            raise ValueError("vaddr monitors a process: give pid, and no ranges")
        if self.operations is Operations.PADDR and self.pid is not None:
            raise ValueError("paddr monitors physical memory: give no pid")


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
