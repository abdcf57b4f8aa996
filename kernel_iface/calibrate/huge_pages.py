"""Random access with and without huge pages, in turn, over a range of sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from damon_tuner import _core
from damon_tuner.kernel_iface.calibrate.area import HUGE_BYTES, Area, huge_bytes
from damon_tuner.kernel_iface.calibrate.finding import Finding, measured, missing
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles
from damon_tuner.kernel_iface.calibrate.limits import Limits, power_of_two_at_most

_PATTERN = 0x5A5A_C3C3_0F0F_9696
_PIECES = 4
_LEAST_BYTES = 1 << 20
_GROWTH = 4

Chains = Literal[1, 8]
ONE_AFTER_ANOTHER: Chains = 1
EIGHT_AT_A_TIME: Chains = 8


@dataclass(frozen=True, slots=True)
class Comparison:
    """Nanoseconds a read of ``size_bytes``, both kinds of pages in turn in one run.

    ``huge_ns`` is empty where the kernel gave no huge pages.
    """

    size_bytes: int
    chains: Chains
    small_ns: tuple[float, ...]
    huge_ns: tuple[float, ...]

    @property
    def gains(self) -> tuple[float, ...]:
        """Time without over time with huge pages, of each pair."""
        return tuple(s / h for s, h in zip(self.small_ns, self.huge_ns, strict=False))

    @property
    def label(self) -> str:
        """For names: the size, and how many reads were under way."""
        at_a_time = "" if self.chains == ONE_AFTER_ANOTHER else f".{self.chains}_at_a_time"
        return f"{self.size_bytes >> 20}_mib{at_a_time}"


def compare(
    bounds: Limits,
    files: HostFiles,
    progress: Callable[[float, str], None] = lambda share, what: None,
) -> tuple[list[Comparison], str]:
    """Compare over sizes; the second result says why there is no huge side, or is empty.

    ``progress`` is told the share of this that is done, and what begins.
    """
    largest = power_of_two_at_most(bounds.max_bytes // 2)
    with ExitStack() as stack:
        small = stack.enter_context(Area(largest, "small"))
        progress(0.0, "random access: memory")
        _core.bench_fill(small.view, _PATTERN)
        before = huge_bytes(files)
        huge = stack.enter_context(Area(largest, "huge"))
        _core.bench_fill(huge.view, _PATTERN)
        why = _why_not_huge(before, huge_bytes(files), largest)
        done = []
        sizes = _sizes(largest)
        for i, size in enumerate(sizes):
            # laying the memory out takes about as long as one size
            progress((i + 1) / (len(sizes) + 1), f"random access: {size >> 20} MiB")
            for chains in (ONE_AFTER_ANOTHER, EIGHT_AT_A_TIME):
                done.append(_pairs(small, None if why else huge, size, chains, bounds))
        return done, why


def findings(comparisons: Sequence[Comparison], why: str, bounds: Limits) -> list[Finding]:
    """Latencies and gains by size, and from the largest size ``fast_ns``."""
    found = []
    for c in comparisons:
        how = (
            "dependent reads of random lines"
            if c.chains == ONE_AFTER_ANOTHER
            else "eight chains of them"
        )
        found.append(measured(f"random_access_ns.small.{c.label}", "ns", c.small_ns, how))
        if c.huge_ns:
            found.append(measured(f"random_access_ns.huge.{c.label}", "ns", c.huge_ns, how))
            found.append(
                measured(f"huge_page_gain.{c.label}", "ratio", c.gains, "small over huge, paired")
            )
    if why:
        found.append(missing("huge_page_gain", why))
    return [*found, _fast_ns(largest_of(comparisons, ONE_AFTER_ANOTHER), why, bounds)]


def largest_of(comparisons: Sequence[Comparison], chains: Chains) -> Comparison:
    """The comparison over the most memory."""
    return max((c for c in comparisons if c.chains == chains), key=lambda c: c.size_bytes)


def statement(comparisons: Sequence[Comparison], why: str) -> str:
    """One sentence on what huge pages give here, for people."""
    if why:
        return f"What huge pages give could not be measured: {why}."
    parts = []
    for chains, load in (
        (ONE_AFTER_ANOTHER, "one after another"),
        (EIGHT_AT_A_TIME, "eight at a time"),
    ):
        finding = measured("", "", largest_of(comparisons, chains).gains, "")
        low, high = finding.spread
        saved = 1.0 - 1.0 / finding.median
        parts.append(
            f"{load} {saved:.1%} less time ({finding.median:.2f} times as fast, "
            f"{low:.2f} to {high:.2f})"
        )
    size_mib = largest_of(comparisons, ONE_AFTER_ANOTHER).size_bytes >> 20
    return (
        f"Huge pages, random reads over {size_mib} MiB: {'; '.join(parts)}. This is a bound: "
        "whole programs gained 5.6 % on average and 30 % at best in DAMON's published evaluation."
    )


def _fast_ns(largest: Comparison, why: str, bounds: Limits) -> Finding:
    size_mib = largest.size_bytes >> 20
    if not bounds.exceeds_caches(largest.size_bytes):
        return missing(
            "fast_ns",
            f"{size_mib} MiB are not four times the last cache: give a larger --max-mib",
        )
    if why:
        return missing("fast_ns", f"page walks would be part of it: {why}")
    return measured(
        "fast_ns", "ns", largest.huge_ns, f"dependent reads over {size_mib} MiB of huge pages"
    )


def _pairs(
    small: Area, huge: Area | None, size: int, chains: Chains, bounds: Limits
) -> Comparison:
    """One unmeasured round first, which fills caches and wakes the CPU; then in changing order."""
    times: dict[Area, list[float]] = {small: []}
    if huge is not None:
        times[huge] = []
    for seed in range(bounds.repeats + 1):
        for area in sorted(times, key=lambda area: (area is huge) != bool(seed % 2)):
            times[area].append(read_ns(area.view[:size], bounds.accesses, chains, seed))
    huge_ns = times[huge][1:] if huge is not None else []
    return Comparison(size, chains, tuple(times[small][1:]), tuple(huge_ns))


def read_ns(filled: memoryview, accesses: int, chains: Chains, seed: int) -> float:
    """Nanoseconds of one read of a random line of memory that ``fill`` has filled.

    The best of several pieces: the first one refills caches, and others meet other programs.
    """
    piece = accesses // _PIECES
    return (
        min(
            _core.bench_random_ns(filled, piece, chains, _PATTERN, _PIECES * seed + i)
            for i in range(_PIECES)
        )
        / piece
    )


def fill(area: Area) -> None:
    """Write what :func:`read_ns` has to find."""
    _core.bench_fill(area.view, _PATTERN)


def _sizes(largest: int) -> list[int]:
    sizes = [largest]
    while sizes[-1] // _GROWTH >= _LEAST_BYTES:
        sizes.append(sizes[-1] // _GROWTH)
    return sizes[::-1]


def _why_not_huge(before: int | None, after: int | None, wanted: int) -> str:
    if before is None or after is None:
        return "this kernel does not say how much memory is in huge pages"
    given = after - before
    if given < wanted - HUGE_BYTES:
        return (
            f"the kernel gave huge pages for {max(given, 0) >> 20} of {wanted >> 20} MiB "
            "(see /sys/kernel/mm/transparent_hugepage/enabled, and whether memory is fragmented)"
        )
    return ""
