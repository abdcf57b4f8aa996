"""Figures of what was measured of tenants that run side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from damon_tuner.benchmarks.figure import Figure, repeated

# The first decisions are taken before the load has begun to use its memory as it will.
_SETTLED_S = 60.0


def forecast_figures(runs: Sequence[Mapping[str, Any]], kernel: str) -> Iterator[Figure]:
    """``kernel.forecast.LOAD.faults``: major faults with the forecast over those without."""
    for load in dict.fromkeys(name.partition(".")[0] for name in runs[0]):
        pairs = [(run[f"{load}.with"], run[f"{load}.without"]) for run in runs]

        def both(what: str, pairs: Sequence[tuple[Any, Any]] = pairs) -> dict[str, list[float]]:
            return {
                "with": [one[what] for one, _ in pairs],
                "without": [other[what] for _, other in pairs],
            }

        faults = both("major_faults")
        ratios = [a / max(b, 1) for a, b in zip(faults["with"], faults["without"], strict=True)]
        work = both("accesses_per_s")
        yield repeated(
            f"kernel.forecast.{load}.faults",
            ratios,
            "ratio",
            major_faults=faults,
            saved_share=both("saved_share"),
            work=[a / b for a, b in zip(work["with"], work["without"], strict=True)],
            seconds=round(pairs[0][0]["at_s"]),
            kernel=kernel,
        )


def tenant_figures(
    found: Mapping[str, Any], budgets: Mapping[str, float], kernel: str
) -> Iterator[Figure]:
    """``kernel.tenants.NAME.saved`` and ``.slowdown``, and by how much the savings differ."""
    saved = {}
    for name, budget in budgets.items():
        managed, watched = found["managed"][name], found["watched"][name]
        decisions = [d for d in managed["decisions"] if d["elapsed_s"] >= _SETTLED_S]
        shares = [
            d["saved_bytes"] / max(d["resident_bytes"] + d["swapped_bytes"], 1) for d in decisions
        ]
        slowdowns = [d["slowdown"] for d in decisions]
        saved[name] = fmean(shares)
        about: dict[str, object] = {
            "budget": budget,
            "decisions": len(decisions),
            "work": managed["accesses_per_s"] / watched["accesses_per_s"],
            "major_faults": managed["major_faults"],
            "fallback": sum(bool(d["note"]) for d in decisions) / len(decisions),
            "held": sum("hold" in d["guard"] for d in decisions) / len(decisions),
            "min_age_s": _median_knob(decisions, "min_age_s"),
            "quota_bytes_per_s": _median_knob(decisions, "quota_bytes_per_s"),
            "kernel": kernel,
        }
        yield Figure(f"kernel.tenants.{name}.saved", saved[name], "share", about)
        over = sum(slowdown > budget for slowdown in slowdowns) / len(slowdowns)
        more = {"budget": budget, "over_budget": over, "kernel": kernel}
        yield Figure(f"kernel.tenants.{name}.slowdown", fmean(slowdowns), "share", more)
    first, *_, last = saved.values()
    yield Figure("kernel.tenants.difference", last - first, "share", {"kernel": kernel})


def _median_knob(decisions: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Of the decisions that the learned policy took."""
    values = [decision["knobs"][name] for decision in decisions if decision["knobs"]]
    return median(values) if values else None
