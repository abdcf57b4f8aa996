"""Statuses of a daemon, as examples and at random."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from damon_tuner.daemon.status import (
    DAEMON_PHASES,
    GUARD_REASONS,
    TENANT_PHASES,
    DaemonStatus,
    HostStatus,
    TenantStatus,
)
from damon_tuner.policies.schema import RECLAIM

MIB = 1 << 20
GIB = 1 << 30
HEAT_CLASSES = RECLAIM.observation_names[:11]
HEAT = dict(
    zip(HEAT_CLASSES, (0.05, 0.05, 0.05, 0.05, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1), strict=True)
)

REDIS = TenantStatus(
    name="redis",
    source="unit redis.service",
    pids=(1234, 1235),
    phase="managing",
    reason="",
    budget=0.02,
    price=1.0,
    slowdown=0.012,
    slowdown_300s=0.0093,
    resident_bytes=1536 * MIB,
    swapped_bytes=640 * MIB,
    saved_bytes=480 * MIB,
    knobs={"min_age_s": 30.0, "quota_bytes_per_s": 1_500_000.0},
    guard=(),
    decisions=1700,
    breaches=12,
    heat=HEAT,
    nr_regions=171,
)
GONE = replace(
    REDIS,
    name="batch",
    source="cgroup jobs.slice/nightly",
    pids=(),
    phase="waiting",
    reason="no process is there",
    slowdown=None,
    slowdown_300s=None,
    resident_bytes=0,
    swapped_bytes=0,
    saved_bytes=0,
    knobs={},
    heat={},
    nr_regions=0,
)
HOST = HostStatus(16 * GIB, 3 * GIB, 8 * GIB, 6 * GIB, 0.031)
STATUS = DaemonStatus(
    version="0.1.0",
    pid=4321,
    kernel="7.3.4",
    mode="act",
    phase="managing",
    reason="",
    started_unix_s=1_800_000_000.0,
    uptime_s=93_784.0,
    interval_s=5.0,
    policy="/usr/share/damon-tuner/reclaim.safetensors",
    policy_sha256="ab" * 32,
    is_fallback=False,
    decisions=3400,
    last_decision_unix_s=1_800_093_780.5,
    decision_s=0.004,
    reloads=1,
    failures=0,
    host=HOST,
    tenants=(REDIS, GONE),
)

# what a cgroup, a unit or a file may be called, invalid UTF-8 included
texts = st.text(st.characters(codec=None), max_size=30)
counts = st.integers(0, 1 << 60)
numbers = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0.0, 1.0)

tenants = st.builds(
    TenantStatus,
    name=texts,
    source=texts,
    pids=st.lists(st.integers(1, 1 << 22), max_size=3).map(tuple),
    phase=st.sampled_from(TENANT_PHASES),
    reason=texts,
    budget=shares,
    price=numbers,
    slowdown=st.none() | numbers,
    slowdown_300s=st.none() | numbers,
    resident_bytes=counts,
    swapped_bytes=counts,
    saved_bytes=st.integers(-(1 << 50), 1 << 60),
    knobs=st.just({})
    | st.fixed_dictionaries({"min_age_s": numbers, "quota_bytes_per_s": numbers}),
    guard=st.lists(st.sampled_from(GUARD_REASONS), unique=True).map(tuple),
    decisions=counts,
    breaches=counts,
    heat=st.just({}) | st.fixed_dictionaries({name: shares for name in HEAT_CLASSES}),
    nr_regions=counts,
)
hosts = st.builds(
    HostStatus,
    memory_total_bytes=counts,
    memory_free_bytes=counts,
    swap_total_bytes=counts,
    swap_free_bytes=counts,
    pressure=shares,
)
statuses = st.builds(
    DaemonStatus,
    version=texts,
    pid=st.integers(1, 1 << 22),
    kernel=texts,
    mode=st.sampled_from(("shadow", "act")),
    phase=st.sampled_from(DAEMON_PHASES),
    reason=texts,
    started_unix_s=st.floats(0, 1e11),
    uptime_s=st.floats(0, 1e10),
    interval_s=st.floats(0.5, 60),
    policy=texts,
    policy_sha256=texts,
    is_fallback=st.booleans(),
    decisions=counts,
    last_decision_unix_s=st.none() | st.floats(0, 1e11),
    decision_s=st.floats(0, 60),
    reloads=counts,
    failures=counts,
    host=st.none() | hosts,
    tenants=st.lists(tenants, max_size=4, unique_by=lambda t: t.name).map(tuple),
)
