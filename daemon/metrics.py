"""The daemon's state for Prometheus, as a file for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from damon_tuner.daemon.exposition import Family, Sample, exposition
from damon_tuner.daemon.status import (
    DAEMON_PHASES,
    GUARD_REASONS,
    TENANT_PHASES,
    DaemonStatus,
    HostStatus,
    TenantStatus,
)
from damon_tuner.whole_file import write_whole

_PREFIX = "damon_tuner_"

S = TypeVar("S")
# name, help, value
Single = tuple[str, str, Callable[[S], float | None]]
# name, help, label, and the value for each that the label can be
Labelled = tuple[str, str, str, Callable[[S], Mapping[str, float]]]

_DAEMON: tuple[Single[DaemonStatus], ...] = (
    ("up", "1 while the daemon runs, 0 once it has stopped", lambda s: s.phase != "stopping"),
    ("fallback", "1 while a static policy decides for all tenants", lambda s: s.is_fallback),
    (
        "status_timestamp_seconds",
        "When this was written, Unix time",
        lambda s: s.started_unix_s + s.uptime_s,
    ),
    ("start_time_seconds", "When the daemon started, Unix time", lambda s: s.started_unix_s),
    ("interval_seconds", "Time from one decision to the next", lambda s: s.interval_s),
    ("decisions_total", "Decisions, over all tenants", lambda s: s.decisions),
    (
        "last_decision_timestamp_seconds",
        "When the last round of decisions was, Unix time",
        lambda s: s.last_decision_unix_s,
    ),
    (
        "decision_duration_seconds",
        "How long the last round of decisions took",
        lambda s: s.decision_s,
    ),
    ("reloads_total", "Times that the configuration was loaded again", lambda s: s.reloads),
    ("failures_total", "Failures that the daemon went on after", lambda s: s.failures),
)
_DAEMON_LABELLED: tuple[Labelled[DaemonStatus], ...] = (
    (
        "phase",
        "1 for the phase that the daemon is in",
        "phase",
        lambda s: _states(DAEMON_PHASES, (s.phase,)),
    ),
)

_HOST: tuple[Single[HostStatus], ...] = (
    ("host_memory_bytes", "The host's memory", lambda h: h.memory_total_bytes),
    ("host_memory_free_bytes", "The host's free memory", lambda h: h.memory_free_bytes),
    ("host_swap_bytes", "The host's swap", lambda h: h.swap_total_bytes),
    ("host_swap_free_bytes", "The host's free swap", lambda h: h.swap_free_bytes),
    (
        "host_pressure_ratio",
        "Share of time that some task waited for memory",
        lambda h: h.pressure,
    ),
)

_TENANT: tuple[Single[TenantStatus], ...] = (
    ("tenant_processes", "The tenant's processes", lambda t: len(t.pids)),
    ("tenant_budget_ratio", "Slowdown that is allowed", lambda t: t.budget),
    ("tenant_price_ratio", "What a byte of the tenant's memory is worth", lambda t: t.price),
    (
        "tenant_slowdown_ratio",
        "Slowdown in the last interval, estimated",
        lambda t: t.slowdown,
    ),
    (
        "tenant_slowdown_5m_ratio",
        "Slowdown over about five minutes, estimated",
        lambda t: t.slowdown_300s,
    ),
    ("tenant_resident_bytes", "Memory that is resident", lambda t: t.resident_bytes),
    ("tenant_swapped_bytes", "Memory that is paged out", lambda t: t.swapped_bytes),
    (
        "tenant_saved_bytes",
        "Memory that is paged out, less its part of the compressed pool",
        lambda t: t.saved_bytes,
    ),
    ("tenant_decisions_total", "Decisions", lambda t: t.decisions),
    ("tenant_breaches_total", "Intervals whose slowdown was over budget", lambda t: t.breaches),
    ("tenant_regions", "Regions that DAMON monitors", lambda t: t.nr_regions),
)
_TENANT_LABELLED: tuple[Labelled[TenantStatus], ...] = (
    (
        "tenant_phase",
        "1 for the phase that the tenant is in",
        "phase",
        lambda t: _states(TENANT_PHASES, (t.phase,)),
    ),
    (
        "tenant_guard",
        "1 for what the guard did at the last decision",
        "reason",
        lambda t: _states(GUARD_REASONS, t.guard),
    ),
    (
        "tenant_heat_ratio",
        "Share of the monitored bytes, by how warm they are",
        "class",
        lambda t: {name.removesuffix("_share"): share for name, share in t.heat.items()},
    ),
)

# what a knob's name ends in, what Prometheus wants instead, and what to divide by
_UNITS = (
    ("_bytes_per_s", "_bytes_per_second", 1.0),
    ("_permille", "_ratio", 1e3),
    ("_us", "_seconds", 1e6),
    ("_ms", "_seconds", 1e3),
    ("_s", "_seconds", 1.0),
)


def write_metrics(path: Path, status: DaemonStatus) -> str | None:
    """Replace the file of metrics; returns None, or one line on why it could not be written.

    Nothing of the folder or the disk raises, for a daemon works on without being watched. It
    waits for no disk: nobody scrapes what was there before a crash.
    """
    try:
        write_whole(path, metrics_text(status).encode(), is_durable=False)
    except OSError as error:
        return f"the metrics are not written: {error}"
    return None


def metrics_text(status: DaemonStatus) -> str:
    """Return everything in Prometheus's text format; what is not known now is left out."""
    hosts = () if status.host is None else (status.host,)
    tenants = status.tenants
    return exposition(
        [
            _info("info", "What runs", [_about(status)]),
            *_families(_DAEMON, _DAEMON_LABELLED, [status], _no_labels),
            *_families(_HOST, (), hosts, _no_labels),
            _info("tenant_info", "Where the tenant is found", [_found(t) for t in tenants]),
            *_families(_TENANT, _TENANT_LABELLED, tenants, _tenant_label),
            *_knobs(tenants),
        ]
    )


def _families(
    singles: Iterable[Single[S]],
    labelled: Iterable[Labelled[S]],
    of: Iterable[S],
    labels: Callable[[S], Mapping[str, str]],
) -> Iterator[Family]:
    of = tuple(of)
    for name, help, value in singles:
        yield _family(name, help, ((labels(each), value(each)) for each in of))
    for name, help, label, values in labelled:
        yield _family(
            name,
            help,
            (
                ({**labels(each), label: key}, value)
                for each in of
                for key, value in values(each).items()
            ),
        )


def _family(name: str, help: str, samples: Iterable[Sample]) -> Family:
    return Family(_PREFIX + name, help, tuple(samples))


def _info(name: str, help: str, labels: Iterable[Mapping[str, str]]) -> Family:
    return _family(name, f"{help}, as labels", ((each, 1) for each in labels))


def _about(s: DaemonStatus) -> Mapping[str, str]:
    return {
        "version": s.version,
        "kernel": s.kernel,
        "mode": s.mode,
        "policy": s.policy,
        "policy_sha256": s.policy_sha256,
    }


def _found(t: TenantStatus) -> Mapping[str, str]:
    return {"tenant": t.name, "source": t.source}


def _no_labels(_: object) -> Mapping[str, str]:
    return {}


def _tenant_label(t: TenantStatus) -> Mapping[str, str]:
    return {"tenant": t.name}


def _states(known: tuple[str, ...], active: tuple[str, ...]) -> Mapping[str, float]:
    """One number for each state, so that a state that ended is seen to be over."""
    return {state: float(state in active) for state in (*known, *active)}


def _knobs(tenants: tuple[TenantStatus, ...]) -> Iterator[Family]:
    for knob in dict.fromkeys(knob for t in tenants for knob in t.knobs):
        name, divisor = _knob_name(knob)
        samples = ((_tenant_label(t), t.knobs[knob] / divisor) for t in tenants if knob in t.knobs)
        yield _family(name, f"The knob {knob} in force", samples)


def _knob_name(knob: str) -> tuple[str, float]:
    """A knob's metric in Prometheus's base units, and what its value is divided by."""
    for suffix, unit, divisor in _UNITS:
        if knob.endswith(suffix):
            return f"tenant_knob_{knob.removesuffix(suffix)}{unit}", divisor
    return f"tenant_knob_{knob}", 1.0
