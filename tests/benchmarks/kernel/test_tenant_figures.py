"""What is made of what guests have measured of tenants side by side."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest

from damon_tuner.benchmarks.kernel.forecast import MAPPED_BYTES, at_random, in_turn
from damon_tuner.benchmarks.kernel.tenant_figures import forecast_figures, tenant_figures
from damon_tuner.benchmarks.kernel.tenants import store_pattern

MIB = 1 << 20


def counted(faults: int, work: float = 100.0) -> dict[str, Any]:
    return {"at_s": 120.0, "major_faults": faults, "saved_share": 0.4, "accesses_per_s": work}


def test_faults_are_compared_run_by_run() -> None:
    runs = [
        {"in_turn.without": counted(1_000), "in_turn.with": counted(with_it, 110.0)}
        for with_it in (100, 300, 200)
    ]
    (figure,) = forecast_figures(runs, "7.3")
    assert figure.name == "kernel.forecast.in_turn.faults"
    assert figure.value == pytest.approx(0.2)
    assert (figure.more["min"], figure.more["max"]) == (pytest.approx(0.1), pytest.approx(0.3))
    assert figure.more["major_faults"] == {"with": [100, 300, 200], "without": [1_000] * 3}
    assert figure.more["work"] == [pytest.approx(1.1)] * 3


def decision(at_s: float, saved_mib: int, slowdown: float, note: str = "") -> dict[str, Any]:
    return {
        "elapsed_s": at_s,
        "resident_bytes": (100 - saved_mib) * MIB,
        "swapped_bytes": saved_mib * MIB,
        "saved_bytes": saved_mib * MIB,
        "slowdown": slowdown,
        "knobs": {} if note else {"min_age_s": 30.0, "quota_bytes_per_s": 1e6},
        "guard": ["hold"] if slowdown > 0.05 else [],
        "note": note,
    }


def test_each_tenant_has_its_saving_and_slowdown_once_it_has_settled() -> None:
    def tenant(saved_mib: int, slowdown: float) -> dict[str, Any]:
        decisions = [decision(0.0, 0, 0.9), decision(60.0, saved_mib, slowdown)]
        decisions.append(decision(65.0, saved_mib, 0.0, "outside"))
        return {"accesses_per_s": 90.0, "major_faults": 7, "decisions": decisions}

    found = {
        "managed": {"careful": tenant(10, 0.01), "generous": tenant(40, 0.1)},
        "watched": {name: {"accesses_per_s": 100.0} for name in ("careful", "generous")},
    }
    budgets = {"careful": 0.01, "generous": 0.1}
    figures = {f.name: f for f in tenant_figures(found, budgets, "7.3")}
    saved = figures["kernel.tenants.careful.saved"]
    assert saved.value == pytest.approx(0.1)
    assert saved.more["work"] == pytest.approx(0.9)
    assert (saved.more["decisions"], saved.more["fallback"], saved.more["held"]) == (2, 0.5, 0.0)
    assert saved.more["min_age_s"] == 30.0
    assert figures["kernel.tenants.generous.slowdown"].value == pytest.approx(0.05)
    assert figures["kernel.tenants.generous.slowdown"].more["over_budget"] == 0.0
    assert figures["kernel.tenants.difference"].value == pytest.approx(0.3)


def phases(pattern: str) -> list[tuple[int, str]]:
    """Seconds of each phase, and the last range that is used in it."""
    found: list[tuple[int, str]] = []
    for line in pattern.splitlines():
        words = line.split()
        if words[0] == "phase":
            found.append((int(words[1]), ""))
        elif words[0] != "map":
            found[-1] = (found[-1][0], words[0])
    return found


def test_loads_use_their_parts_in_turn_or_in_no_order() -> None:
    assert in_turn().startswith(f"map {MAPPED_BYTES // MIB}M\n")
    assert phases(in_turn()) == [(30, "8M"), (30, "24M"), (30, "40M")]
    one, other = phases(at_random(Random(1))), phases(at_random(Random(2)))
    assert one != other
    assert all(before[1] != after[1] for before, after in pairwise(one))
    assert len({seconds for seconds, _ in one}) > 5


def test_the_store_reads_most_slabs_and_two_change_places_at_a_time() -> None:
    told = store_pattern(Random(1))
    assert told == store_pattern(Random(1)) != store_pattern(Random(2))
    blocks = [set(block.splitlines()[1:]) for block in told.split("phase ")[1:]]
    assert len({len(block) for block in blocks}) == 1
    assert all(len(a - b) in (0, 1, 2) for a, b in pairwise(blocks))
