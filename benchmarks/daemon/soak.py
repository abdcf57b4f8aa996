"""A day of a host in minutes: see ``tests/daemon/soak.py`` for what happens on it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from damon_tuner.benchmarks.daemon.harness import harness
from damon_tuner.benchmarks.figure import Figure

DAY_S = 86_400.0
_NAMED = 10


def soak_figures(seconds: float = DAY_S) -> Iterator[Figure]:
    """Let a daemon live through it; breaches are intervals over budget."""
    with tempfile.TemporaryDirectory() as folder:
        result = harness("daemon.soak").soak(Path(folder), seconds)
    more = {
        "hours": seconds / 3_600,
        "decisions": result.decisions,
        "arrivals": result.arrivals,
        "pressure_spikes": result.spikes,
        "breaches": result.breaches,
        "longest_breach_intervals": result.longest_breach,
        "warnings": result.warnings,
    }
    named = {**more, "failed": result.uncorrected[:_NAMED]}
    yield Figure("daemon.soak.uncorrected", len(result.uncorrected), "breaches", named)
    yield Figure("daemon.soak.restored", float(result.is_restored), "bool", more)
    half = len(result.rss_kib) // 2
    grown = result.rss_kib[-1] - result.rss_kib[half]
    yield Figure(
        "daemon.soak.leak_kib",
        grown,
        "KiB",
        {"rss_kib": result.rss_kib, "descriptors": [result.nr_fds[0], result.nr_fds[-1]]},
    )
