"""Pictures of one line: heat by class, a course over time, and how much of something is used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

HEAT_LEGEND = "█ hot  ▓ warm  ▒ rare  ░ idle  · idle for 20 s and longer"

# from the hottest to the coldest
_GLYPHS = {
    "hot": "█",
    "warm": "▓",
    "rare": "▒",
    **dict.fromkeys(("idle_below_2s", "idle_2s", "idle_5s", "idle_10s"), "░"),
    **dict.fromkeys(("idle_20s", "idle_40s", "idle_80s", "idle_160s"), "·"),
}
_UNKNOWN = "?"
_LEVELS = "▁▂▃▄▅▆▇█"

# A course that varies by less than this share of itself is drawn flat.
_FLAT = 0.01


def heat_bar(heat: Mapping[str, float], width: int) -> str:
    """Return ``width`` cells, from the hottest class to the coldest, each as its share is."""
    shares: dict[str, float] = dict.fromkeys([*_GLYPHS.values(), _UNKNOWN], 0.0)
    for name, share in heat.items():
        if math.isfinite(share):
            shares[_GLYPHS.get(name.removesuffix("_share"), _UNKNOWN)] += max(0.0, share)
    total = sum(shares.values())
    if not 0.0 < total < math.inf:
        return " " * width
    bar, reached = "", 0.0
    for glyph, share in shares.items():
        reached += share
        bar += glyph * (round(reached / total * width) - len(bar))
    return bar


def sparkline(values: Sequence[float | None]) -> str:
    """Return a cell for each value, from the least to the most; a space where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    least, most = min(known), max(known)
    if most - least <= _FLAT * max(abs(least), abs(most)):
        return "".join(" " if value is None else _LEVELS[0] for value in values)
    scale = (len(_LEVELS) - 1) / (most - least)
    return "".join(
        " " if value is None else _LEVELS[round((value - least) * scale)] for value in values
    )


def gauge(share: float | None, width: int) -> str:
    """Return how full something is; an exclamation mark at the end says that it is over."""
    if share is None or math.isnan(share):
        return " " * width
    full = round(min(1.0, max(0.0, share)) * width)
    return "#" * (width - 1) + "!" if share > 1.0 else "#" * full + "-" * (width - full)
