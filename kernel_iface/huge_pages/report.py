"""What was found of a process's huge pages, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from damon_tuner.kernel_iface.huge_pages.advice import Advice, RegionReport
from damon_tuner.kernel_iface.huge_pages.examine import Examined
from damon_tuner.units import size_text

_ROW = "{:<29} {:>9} {:>9} {:>9} {:>9} {:>6} {:>7}  {}"
_HEADS = ("region", "size", "huge", "bloat", "small", "heat", "for", "advice")
_MOST_ROWS = 20


def as_json(found: Examined) -> str:
    """Return one JSON object with every region; sizes are in bytes."""
    return json.dumps(asdict(found))


def as_text(found: Examined, *, is_whole: bool = False) -> str:
    """Return a summary and a table of the regions that there is most to say of, or of all."""
    rows = sorted(found.regions, key=_weight, reverse=True)
    shown = rows if is_whole else rows[:_MOST_ROWS]
    lines = [*_summary(found), "", _ROW.format(*_HEADS)]
    lines += [_row(region) for region in sorted(shown, key=lambda each: each.start)]
    if len(shown) < len(rows):
        lines.append(f"and {len(rows) - len(shown)} more regions (--all)")
    return "\n".join(lines)


def _weight(region: RegionReport) -> tuple[bool, int]:
    return region.advice is not Advice.NONE, region.advised_bytes or region.huge_bytes


def _summary(found: Examined) -> Iterator[str]:
    resident, huge = found.memory.resident_bytes, found.huge_bytes
    share = huge / resident if resident else 0.0
    yield (
        f"process {found.pid}: {size_text(resident)} resident, {size_text(huge)} ({share:.0%}) in "
        "huge pages"
    )
    if found.bloat_bytes is not None:
        nr_huge = huge >> 21
        yield (
            f"bloat: {size_text(found.bloat_bytes)} of that ({found.bloat_bytes / huge:.0%}) is "
            f"pages of zeros ({found.looked_into} of {nr_huge} huge pages were looked into)"
        )
    for advice in (Advice.COLLAPSE, Advice.SPLIT):
        regions = [region for region in found.regions if region.advice is advice]
        size = size_text(sum(region.advised_bytes for region in regions))
        yield f"{advice}: {size} in {len(regions)} regions"
    if not found.watched_s:
        yield "no heat is known, and nothing advised: DAMON was not asked (--seconds 0)"


def _row(region: RegionReport) -> str:
    return _ROW.format(
        f"{region.start:012x}-{region.end:012x}",
        size_text(region.end - region.start),
        size_text(region.huge_bytes),
        "-" if region.bloat_bytes is None else size_text(region.bloat_bytes),
        size_text(region.small_bytes),
        "-" if region.heat is None else f"{region.heat:.0%}",
        "-" if region.age_s is None else f"{region.age_s:.1f} s",
        f"{region.advice} {size_text(region.advised_bytes)}" if region.advice else "",
    ).rstrip()
