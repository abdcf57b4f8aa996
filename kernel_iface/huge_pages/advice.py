"""What would be better as one huge page, and what as small ones."""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from damon_tuner.kernel_iface.host import Intervals, Region
from damon_tuner.kernel_iface.huge_pages.areas import HUGE_BYTES, PAGE_BYTES, PAGES, Area

_HOT_SHARE = 0.5
_FULL_PAGES = PAGES * 3 // 4
_BLOATED_SHARE = 0.5


class Advice(enum.StrEnum):
    """What to do with a region."""

    COLLAPSE = "collapse"
    SPLIT = "split"
    NONE = ""


@dataclass(frozen=True, slots=True)
class RegionReport:
    """Addresses that are accessed alike, and what lies there.

    ``small_bytes`` are in memory, in areas that could be huge pages. ``bloat_bytes`` is estimated
    from the huge pages that were looked into, None where none was. ``heat`` is the share of
    samples with an access, and ``age_s`` for how long that has been so; None without DAMON.
    """

    start: int
    end: int
    huge_bytes: int
    small_bytes: int
    bloat_bytes: int | None
    heat: float | None
    age_s: float | None
    advice: Advice
    advised_bytes: int
    """Of what the advice is about."""


def region_reports(
    regions: Sequence[Region],
    found: Sequence[Area],
    zero_shares: Mapping[int, float],
    intervals: Intervals | None,
    watched_s: float,
) -> tuple[RegionReport, ...]:
    """Say what lies in each region that holds any of the areas.

    ``intervals`` are those that the regions were monitored at for ``watched_s``; None where they
    were not.
    """
    reports = []
    ordered = sorted(found, key=lambda area: area.start)
    starts = [area.start for area in ordered]
    for region in sorted(regions, key=lambda each: each.start):
        here = ordered[bisect_left(starts, region.start) : bisect_left(starts, region.end)]
        if any(area.present_pages for area in here):
            reports.append(_report(region, here, zero_shares, intervals, watched_s))
    return tuple(reports)


def _report(
    region: Region,
    here: Sequence[Area],
    zero_shares: Mapping[int, float],
    intervals: Intervals | None,
    watched_s: float,
) -> RegionReport:
    huge = [area for area in here if area.is_huge]
    small = [area for area in here if not area.is_huge]
    seen = [zero_shares[area.start] for area in huge if area.start in zero_shares]
    zero_share = sum(seen) / len(seen) if seen else None
    huge_bytes = len(huge) * HUGE_BYTES
    heat = age_s = None
    if intervals is not None:
        heat = region.nr_accesses / intervals.samples_per_aggregation
        age_s = region.age * intervals.aggr_us / 1e6
    full_bytes = sum(area.present_pages >= _FULL_PAGES for area in small) * HUGE_BYTES
    advice, advised_bytes = Advice.NONE, 0
    if heat is not None and heat >= _HOT_SHARE and full_bytes:
        advice, advised_bytes = Advice.COLLAPSE, full_bytes
    elif heat == 0.0 and (age_s or 0.0) >= watched_s / 2 and (zero_share or 0.0) >= _BLOATED_SHARE:
        advice, advised_bytes = Advice.SPLIT, huge_bytes
    return RegionReport(
        start=region.start,
        end=region.end,
        huge_bytes=huge_bytes,
        small_bytes=sum(area.present_pages for area in small) * PAGE_BYTES,
        bloat_bytes=None if zero_share is None else round(zero_share * huge_bytes),
        heat=heat,
        age_s=age_s,
        advice=advice,
        advised_bytes=advised_bytes,
    )
