"""What damon-tunerd is told: frozen values, whose defaults are those of an empty file."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

DEFAULT_BUDGET = 0.02

PROTECTED_CGROUPS = (
    "init.scope",
    "system.slice/systemd-*",
    "system.slice/dbus*",
    "system.slice/ssh*",
    "system.slice/system-ssh*",
    "system.slice/damon-tunerd.service",
)
"""Without these nobody can look after a host: they are left alone where nothing else is said."""


class Mode(enum.StrEnum):
    """Whether schemes are set, or only decided and logged."""

    SHADOW = "shadow"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Limits:
    """What no policy can cross, for all tenants or for one.

    ``max_age_division`` is by how much the minimum age may be divided in one decision.
    """

    min_age_s: float = 2.0
    max_quota_bytes_per_s: float = float(4 << 30)
    max_age_division: float = 4.0


@dataclass(frozen=True, slots=True)
class Score:
    """An application's own measure of how well it does: more is better, ``floor`` is too little.

    Either ``file`` holds the number, or ``command`` (a program and its arguments) prints it within
    ``timeout_s``.
    """

    file: Path | None
    command: tuple[str, ...]
    floor: float
    timeout_s: float = 2.0


@dataclass(frozen=True, slots=True)
class TenantConfig:
    """One tenant; exactly one of ``pid``, ``pid_file``, ``unit`` and ``cgroup`` is set.

    ``unit`` and ``cgroup`` (below the mount of cgroup v2) may be glob patterns. ``budget`` is the
    share of slowdown allowed: of the time that the tenant works, or of all the time. ``price`` is
    the worth of a byte of this tenant's memory beside one of the others'.
    """

    name: str
    pid: int | None = None
    pid_file: Path | None = None
    unit: str | None = None
    cgroup: str | None = None
    budget: float = DEFAULT_BUDGET
    slowdown_of: Literal["work", "time"] = "work"
    price: float = 1.0
    limits: Limits = Limits()
    score: Score | None = None


@dataclass(frozen=True, slots=True)
class Breaker:
    """When the host is in such trouble that the guard of every tenant stops page-out.

    ``max_pressure`` is the share of time in which some task waits for memory, ``min_swap_free`` a
    share of swap, ``min_fast_node_free`` of the fastest nodes' memory, and ``max_refaults_per_s``
    counts anonymous pages of the whole host.
    """

    max_pressure: float = 0.25
    min_swap_free: float = 0.05
    min_fast_node_free: float = 0.002
    max_refaults_per_s: float = 50_000.0


@dataclass(frozen=True, slots=True)
class Experience:
    """Where decisions and what came of them are kept; ``folder`` None keeps none."""

    folder: Path | None = Path("/var/lib/damon-tuner/experience")
    max_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration.

    ``policy`` None is the shipped one, ``swap_in_us`` None measures what a major fault costs,
    ``disk_in_us`` None what one costs that reads a disk (where ``swap_in_us`` is given: as much),
    ``metrics`` None writes none. ``limits``, ``budget`` and ``slowdown_of`` are already in each
    tenant that has none of its own.
    """

    mode: Mode = Mode.SHADOW
    interval_s: float = 5.0
    budget: float = DEFAULT_BUDGET
    slowdown_of: Literal["work", "time"] = "work"
    max_tenants: int = 8
    policy: Path | None = None
    fallback: str = "damon_reclaim"
    knob_groups: tuple[str, ...] = ("reclaim",)
    khugepaged: Literal["alone", "tamed"] = "alone"
    protected_cgroups: tuple[str, ...] = PROTECTED_CGROUPS
    tenants: tuple[TenantConfig, ...] = ()
    limits: Limits = Limits()
    breaker: Breaker = Breaker()
    experience: Experience = Experience()
    swap_in_us: float | None = None
    disk_in_us: float | None = None
    socket: Path = Path("/run/damon-tuner/socket")
    metrics: Path | None = None
    log: Literal["text", "json"] = "text"
