"""What has been saved, or in shadow mode would likely have been, and at what slowdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from damon_tuner.daemon.experience import Experience
from damon_tuner.daemon.experience.reading import Kept, read_experience
from damon_tuner.errors import RecordingError, TunerError
from damon_tuner.units import size_text

# The guard's reasons that say that page-out was held back, not merely bounded.
_HELD = "hold"
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Summary:
    """One tenant in one mode; means are over decisions, shares from 0 to 1.

    ``saved_share`` is of all memory of the tenant, resident or swapped. ``slowdown`` is what
    faults were estimated to cost, and ``breaches`` the intervals over budget.
    """

    tenant: str
    mode: str
    first_unix_s: float
    last_unix_s: float
    observed_s: float
    decisions: int
    budget: float
    tenant_bytes: float
    saved_bytes: float
    saved_share: float
    slowdown: float
    worst_slowdown: float
    breaches: int
    held: int
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """Every tenant and mode, and the lines that could not be read."""

    summaries: tuple[Summary, ...]
    nr_damaged: int
    nr_foreign: int

    def text(self) -> str:
        """Return it for people."""
        lines = [line for summary in self.summaries for line in _lines(summary)]
        if self.nr_damaged or self.nr_foreign:
            lines.append(
                f"left out: {self.nr_damaged} damaged lines, {self.nr_foreign} of another release"
            )
        return "\n".join(lines)

    def json(self) -> str:
        """Return it for programs."""
        return json.dumps(asdict(self), allow_nan=False)


def report(folder: Path, since_unix_s: float = 0.0) -> Report:
    """Read the experience in ``folder`` from a moment on.

    Raises:
        TunerError: there is none; says what to do.
    """
    try:
        kept: Kept = read_experience(folder)
    except RecordingError as error:
        raise TunerError(
            f"{folder}: {error}: let damon-tunerd run first, or name the folder that its "
            "configuration keeps experience in"
        ) from None
    records = [record for record in kept.records if record.time_s >= since_unix_s]
    if not records:
        raise TunerError(f"{folder} holds no decision of that time: let damon-tunerd run longer")
    return Report(tuple(_summaries(records)), kept.nr_damaged, kept.nr_foreign)


def _summaries(records: Iterable[Experience]) -> Iterable[Summary]:
    groups: dict[tuple[str, str], list[Experience]] = {}
    for record in records:
        groups.setdefault((record.tenant, record.mode), []).append(record)
    for key in sorted(groups):
        yield _summary(groups[key])


def _summary(records: Sequence[Experience]) -> Summary:
    count, last = len(records), records[-1]
    slowdowns = [record.slowdown for record in records if record.slowdown is not None]
    tenant_bytes = sum(r.resident_bytes + r.swapped_bytes for r in records) / count
    saved_bytes = sum(record.saved_bytes for record in records) / count
    return Summary(
        tenant=last.tenant,
        mode=last.mode,
        first_unix_s=records[0].time_s,
        last_unix_s=last.time_s,
        observed_s=sum(record.interval_s for record in records),
        decisions=count,
        budget=last.budget,
        tenant_bytes=tenant_bytes,
        saved_bytes=saved_bytes,
        saved_share=saved_bytes / tenant_bytes if tenant_bytes else 0.0,
        slowdown=sum(slowdowns) / len(slowdowns) if slowdowns else 0.0,
        worst_slowdown=max(slowdowns, default=0.0),
        breaches=sum((r.slowdown or 0.0) > r.budget for r in records),
        held=sum(_HELD in record.reasons for record in records),
        reasons=dict(Counter(reason for r in records for reason in r.reasons).most_common()),
    )


def _lines(s: Summary) -> list[str]:
    would = "acting would likely have saved" if s.mode == "shadow" else "saved"
    lines = [
        f"{s.tenant} ({s.mode}, {_time(s.observed_s)} in {s.decisions} decisions)",
        f"  {would} {size_text(int(s.saved_bytes))} of {size_text(int(s.tenant_bytes))} "
        f"({s.saved_share:.1%})",
        f"  at {s.slowdown:.2%} slowdown on the mean, budget {s.budget:.2%}; "
        f"over budget in {s.breaches / s.decisions:.1%} of the intervals, worst "
        f"{s.worst_slowdown:.1%}",
    ]
    if s.reasons:
        named = ", ".join(f"{name} {count}" for name, count in list(s.reasons.items())[:_NAMED])
        lines.append(f"  the guard held page-out back in {s.held} intervals ({named})")
    return lines


def _time(seconds: float) -> str:
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3_600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
