"""Records of experience made for tests, by hand, at random, and by a real loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.daemon.experience import Experience, ExperienceJournal, pack_regions
from damon_tuner.daemon.experience.reading import Kept, read_experience
from damon_tuner.kernel_iface.host import U64_MAX, Region, Snapshot
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import MONITORING, Decision, LearnedPolicy, Policy
from damon_tuner.policies.schema import RECLAIM

from ..policies.helpers import random_policy

NR_FEATURES = RECLAIM.nr_features
MIB = 1 << 20
BEGUN_S = 1_767_225_600.25

RECORD = Experience(
    time_s=BEGUN_S,
    run="1f" * 16,
    tenant="redis",
    mode="act",
    policy_sha256="ab" * 32,
    schema=RECLAIM.hash,
    budget=0.02,
    interval_s=5.0,
    observation=tuple(k / 32 for k in range(NR_FEATURES)),
    action=(0.5, -0.25),
    knobs={"min_age_s": 30.0, "quota_bytes_per_s": 1e6},
    reasons=("rate",),
    slowdown=0.0125,
    resident_bytes=3 * MIB,
    swapped_bytes=MIB,
    compressed_bytes=MIB // 2,
    saved_bytes=1 << 20,
    memory_total_bytes=64 * MIB,
    sample_us=5_000,
    aggr_us=100_000,
    regions=pack_regions([Region(0, 3 * MIB, 20, 7), Region(3 * MIB, 4 * MIB, 0, 300)]),
)


def series(nr: int, **changes: object) -> list[Experience]:
    """So many decisions one after another."""
    return [
        replace(RECORD, time_s=BEGUN_S + 5.0 * k, **changes)  # type: ignore[arg-type]
        for k in range(nr)
    ]


def keep(folder: Path, records: list[Experience], max_bytes: int = 64 << 20) -> None:
    """Have ``records`` in a folder."""
    journal = ExperienceJournal(folder, max_bytes)
    assert all([journal.append(record) for record in records])
    journal.close()


def kept(folder: Path) -> Kept:
    """What is in a folder; nothing where there are no segments."""
    return read_experience(folder) if folder.exists() and any(folder.iterdir()) else Kept()


def lived(
    spec: _core.Spec,
    nr: int,
    *,
    seed: int = 1,
    policy: Policy | None = None,
    tenant: str = "redis",
    run: str = "2e" * 16,
) -> tuple[list[Experience], list[tuple[Snapshot, Decision]]]:
    """So many decisions on a simulated host, taken as the daemon does; and what they were."""
    host = SimHost(spec, seed=seed, attrs=MONITORING)
    host.start(())
    policy = policy or LearnedPolicy(random_policy().network(), 0.02)
    records, steps = [], []
    for k in range(nr):
        snapshot = host.snapshot()
        decision = policy.decide(snapshot)
        host.apply(decision.schemes)
        host.advance(5.0)
        steps.append((snapshot, decision))
        records.append(
            Experience.of(
                snapshot,
                decision,
                time_s=BEGUN_S + 5.0 * k,
                run=run,
                tenant=tenant,
                mode="act",
                policy_sha256="ab" * 32,
                budget=0.02,
                interval_s=5.0,
            )
        )
    return records, steps


FLOATS32 = st.floats(width=32, allow_nan=False)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, U64_MAX)
REGIONS = st.lists(st.builds(Region, COUNTS, COUNTS, COUNTS, COUNTS), max_size=20)
RECORDS = st.builds(
    Experience,
    time_s=FLOATS,
    run=st.text(max_size=40),
    tenant=st.text(max_size=40),
    mode=st.sampled_from(["shadow", "act"]),
    policy_sha256=st.text(max_size=64),
    schema=st.text(max_size=64),
    budget=FLOATS,
    interval_s=FLOATS,
    observation=st.lists(FLOATS32, max_size=40).map(tuple),
    action=st.lists(FLOATS32, max_size=3).map(tuple),
    knobs=st.dictionaries(st.text(max_size=20), FLOATS, max_size=3),
    reasons=st.lists(st.text(max_size=10), max_size=3).map(tuple),
    slowdown=st.none() | FLOATS,
    resident_bytes=COUNTS,
    swapped_bytes=COUNTS,
    compressed_bytes=COUNTS,
    saved_bytes=COUNTS,
    memory_total_bytes=COUNTS,
    sample_us=COUNTS,
    aggr_us=COUNTS,
    regions=REGIONS.map(pack_regions),
)
