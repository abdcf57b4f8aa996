"""The daemon's status for people: a few lines that are read at a glance."""

from __future__ import annotations

from collections.abc import Iterator

from damon_tuner.daemon.status import DaemonStatus, HostStatus, TenantStatus
from damon_tuner.daemon.wording import (
    NOTHING,
    knob,
    knob_title,
    percent,
    printable,
    shortened,
    size,
    span,
)

_NAME_WIDTH = 24
_IDLE_PHASES = ("managing", "idle")

_COLUMNS = ("tenant", "phase", "resident", "swapped", "saved", "slowdown", "5 min", "budget")
# these are words, which stand left; every other column holds numbers
_NR_WORDS = 2


def exit_status(status: DaemonStatus) -> int:
    """Return 0 when everything is managed, or shadowed, as told to; 3 when something is not."""
    is_failing = any(tenant.phase == "failing" for tenant in status.tenants)
    return 3 if is_failing or status.phase not in _IDLE_PHASES else 0


def status_text(status: DaemonStatus, now_unix_s: float) -> str:
    """Return the whole status, in ASCII, without a line break at the end."""
    lines = [*_daemon_lines(status, now_unix_s), *_host_lines(status.host)]
    if status.tenants:
        lines += ["", *_table(status.tenants)]
    return "\n".join(lines)


def why(tenant: TenantStatus) -> str:
    """Return why a tenant is not simply managed, and what the guard did; empty if neither."""
    guard = f"guard: {', '.join(tenant.guard)}" if tenant.guard else ""
    return printable("; ".join(part for part in (tenant.reason, guard) if part))


def phase_of(status: DaemonStatus) -> str:
    """Return what the daemon does, and why."""
    return printable(f"{status.phase} ({status.reason})" if status.reason else status.phase)


def policy_of(status: DaemonStatus) -> str:
    """Return what decides."""
    if status.is_fallback:
        return f"{printable(status.policy)} cannot be used: a static policy decides"
    return f"{printable(status.policy)} (sha256 {printable(status.policy_sha256[:12])})"


def counted(count: int, noun: str) -> str:
    """Return 1 reload, or 2 reloads."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _daemon_lines(s: DaemonStatus, now_unix_s: float) -> Iterator[str]:
    yield (
        f"damon-tunerd {printable(s.version)}, process {s.pid}, up {span(s.uptime_s)}, "
        f"mode {printable(s.mode)}: {phase_of(s)}"
    )
    yield f"policy   {policy_of(s)}"
    decided = f"decided  {counted(s.decisions, 'time')}, every {span(s.interval_s)}"
    if s.last_decision_unix_s is not None:
        ago_s = max(0.0, now_unix_s - s.last_decision_unix_s)
        decided += f", last {span(round(ago_s))} ago in {s.decision_s * 1e3:.1f} ms"
    yield f"{decided}; {counted(s.reloads, 'reload')}, {counted(s.failures, 'failure')}"


def _host_lines(host: HostStatus | None) -> Iterator[str]:
    if host is not None:
        yield (
            f"host     {size(host.memory_free_bytes)} of {size(host.memory_total_bytes)} free, "
            f"swap {size(host.swap_free_bytes)} of {size(host.swap_total_bytes)} free, "
            f"pressure {percent(host.pressure)}"
        )


def _table(tenants: tuple[TenantStatus, ...]) -> Iterator[str]:
    knobs = list(dict.fromkeys(name for tenant in tenants for name in tenant.knobs))
    head = [title.upper() for title in (*_COLUMNS, *map(knob_title, knobs))]
    rows = [head, *([*_cells(t), *_knob_cells(t, knobs)] for t in tenants)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    whys = ("", *map(why, tenants))
    for row, reason in zip(rows, whys, strict=True):
        yield "  ".join(
            cell.ljust(width) if at < _NR_WORDS else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        if reason:
            yield f"  {reason}"


def _cells(t: TenantStatus) -> tuple[str, ...]:
    is_known = t.resident_bytes or t.swapped_bytes
    sizes = (t.resident_bytes, t.swapped_bytes, t.saved_bytes)
    return (
        shortened(printable(t.name), _NAME_WIDTH),
        printable(t.phase),
        *(size(value) if is_known else NOTHING for value in sizes),
        *(percent(value) for value in (t.slowdown, t.slowdown_300s, t.budget)),
    )


def _knob_cells(t: TenantStatus, knobs: list[str]) -> list[str]:
    return [knob(name, t.knobs.get(name)) for name in knobs]
