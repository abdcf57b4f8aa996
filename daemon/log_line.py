"""One line for each decision: what was seen, what was set in place of what, and why."""

from __future__ import annotations

import json
import math
from typing import Any

from damon_tuner.daemon.outcome import Outcome, saved_bytes
from damon_tuner.units import rate_text, size_text


def text_line(outcome: Outcome) -> str:
    """Return one decision for people."""
    s, d = outcome.snapshot, outcome.decision
    seen = (
        f"{outcome.elapsed_s:.1f}s {outcome.tenant}: resident {size_text(s.resident_bytes)}, "
        f"swapped {size_text(s.swapped_bytes)}, saved {size_text(saved_bytes(s))}, "
        f"slowdown {_share(d.slowdown)} of {outcome.budget:.2%}"
    )
    return "; ".join(part for part in (seen, _set(outcome), *_why(outcome)) if part)


def json_line(outcome: Outcome) -> str:
    """Return one decision as a JSON object, without the regions."""
    s, d = outcome.snapshot, outcome.decision
    told: dict[str, Any] = {
        "tenant": outcome.tenant,
        "elapsed_s": outcome.elapsed_s,
        "budget": outcome.budget,
        "carried_out": outcome.is_carried_out,
        "note": outcome.note,
        "resident_bytes": s.resident_bytes,
        "swapped_bytes": s.swapped_bytes,
        "compressed_bytes": s.compressed_bytes,
        "saved_bytes": saved_bytes(s),
        "major_faults": s.major_faults,
        "cpu_time_us": s.cpu_time_us,
        "psi_some_us": s.psi_some_us,
        "swap_in_us": s.swap_in_us,
        "disk_in_us": s.disk_in_us,
        "disk_swapped_share": s.disk_swapped_share,
        "swap_ins": s.swap_ins,
        "competing_us": s.competing_us,
        "nr_regions": len(s.regions),
        "knobs_before": dict(outcome.knobs_before),
        "knobs": dict(d.knobs),
        "guard": list(d.reasons),
        "hold_left_s": d.hold_left_s,
        "slowdown": _finite(d.slowdown),
        "observation": list(d.observation),
        "action": [_finite(value) for value in d.action],
    }
    return json.dumps(told, allow_nan=False)


def _set(outcome: Outcome) -> str:
    knobs, before = outcome.decision.knobs, outcome.knobs_before
    if not knobs:
        return ""
    changes = [_change(name, before.get(name), value) for name, value in knobs.items()]
    verb = "sets" if outcome.is_carried_out else "would set"
    return f"{verb} {', '.join(changes)}"


def _change(knob: str, before: float | None, now: float) -> str:
    is_rate = knob.endswith("_bytes_per_s")
    name = knob.removesuffix("_bytes_per_s" if is_rate else "_s")
    shown, was = (
        "" if value is None else rate_text(value) if is_rate else f"{value:.1f} s"
        for value in (now, before)
    )
    return f"{name} {was} -> {shown}" if was not in ("", shown) else f"{name} {shown}"


def _why(outcome: Outcome) -> list[str]:
    why = []
    if outcome.decision.reasons:
        why.append(f"guard: {', '.join(outcome.decision.reasons)}")
    if outcome.decision.hold_left_s > 0.0:
        why.append(f"no page-out for {outcome.decision.hold_left_s:.0f} s")
    if outcome.note:
        why.append(f"static policy, because {outcome.note}")
    return why


def _share(value: float) -> str:
    return f"{value:.2%}" if math.isfinite(value) else "unknown"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
