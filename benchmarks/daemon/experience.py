"""What keeping experience costs: bytes and time for each decision."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from damon_tuner.benchmarks.daemon.here import snapshot_of
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.daemon.chooser import Asked, Chooser, trusted_policy
from damon_tuner.daemon.experience import Experience, ExperienceJournal, new_run
from damon_tuner.daemon.service import PRETRAINED
from damon_tuner.policies.decision import DEFAULT_BUDGET, MONITORING, GuardLimits
from damon_tuner.policies.rules import STATIC_POLICIES

_DECISIONS = 500
_TYPICAL_REGIONS = 25
_DAY_S, _INTERVAL_S = 86_400.0, 5.0


def experience_figures() -> Iterator[Figure]:
    """Measure a typical number of regions, and the most."""
    for nr_regions in (_TYPICAL_REGIONS, MONITORING.max_nr_regions):
        yield from _of(nr_regions)


def _of(nr_regions: int) -> Iterator[Figure]:
    asked = Asked(DEFAULT_BUDGET, GuardLimits())
    chooser = Chooser(trusted_policy(PRETRAINED), STATIC_POLICIES["none"], asked)
    rng, run, times_ms = random.Random(1), new_run(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "experience"
        journal = ExperienceJournal(folder, 64 << 20)
        for number in range(_DECISIONS):
            snapshot = snapshot_of(number, nr_regions, rng)
            decision = chooser.decide(snapshot, ())
            began_s = time.perf_counter()
            record = Experience.of(
                snapshot,
                decision,
                time_s=number * _INTERVAL_S,
                run=run,
                tenant="tenant",
                mode="act",
                policy_sha256="0" * 64,
                budget=DEFAULT_BUDGET,
                interval_s=_INTERVAL_S,
            )
            journal.append(record)
            times_ms.append((time.perf_counter() - began_s) * 1e3)
        journal.close()
        kept_bytes = sum(path.stat().st_size for path in folder.iterdir())
    each_bytes = kept_bytes / _DECISIONS
    more = {"regions": nr_regions, "bytes_per_day": each_bytes * _DAY_S / _INTERVAL_S}
    suffix = f"{nr_regions}_regions"
    yield Figure(f"daemon.experience.bytes.{suffix}", each_bytes, "bytes", more)
    p99 = sorted(times_ms)[int(0.99 * len(times_ms))]
    yield Figure(
        f"daemon.experience.append.{suffix}",
        statistics.median(times_ms),
        "ms",
        {"p99": p99, "regions": nr_regions},
    )
