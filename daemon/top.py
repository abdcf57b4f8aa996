"""The frames of ``damon-tuner top``: all that is worth seeing of a daemon at one moment."""

from __future__ import annotations

from collections.abc import Sequence

from damon_tuner.daemon.bars import HEAT_LEGEND, gauge, heat_bar, sparkline
from damon_tuner.daemon.history import History
from damon_tuner.daemon.status import DaemonStatus, TenantStatus
from damon_tuner.daemon.status_text import counted, phase_of, why
from damon_tuner.daemon.wording import (
    knob,
    knob_title,
    percent,
    printable,
    shortened,
    size,
    span,
)

_NAME_WIDTH = 24
_NR_CELLS = 12
_GAUGE_WIDTH = 10
_LEAST_BAR_WIDTH = 10


def frame(
    status: DaemonStatus, history: History, width: int, height: int | None, note: str = ""
) -> list[str]:
    """Return the lines of one frame, at most ``height`` of at most ``width`` characters.

    Without a ``height`` every tenant is shown. ``note`` goes to the right of the first line, or
    below it.
    """
    header = _header(status, history, width, note)
    blocks = [_block(tenant, history, width) for tenant in status.tenants]
    room = None if height is None else max(0, height - len(header))
    lines = [*header, *_fitted(blocks, room)][:height]
    return [shortened(line, width) for line in lines]


def _header(s: DaemonStatus, history: History, width: int, note: str) -> list[str]:
    saved = sum(tenant.saved_bytes for tenant in s.tenants)
    title = f"damon-tunerd {printable(s.mode)}: {phase_of(s)}, up {span(s.uptime_s)}"
    lines = [
        *_with_note(title, printable(note), width),
        f"saved   {size(saved):>8} {_course(history, None)}  "
        f"{counted(s.decisions, 'decision')}, {counted(s.failures, 'failure')}",
    ]
    if s.host is not None:
        used = s.host.memory_total_bytes - s.host.memory_free_bytes
        swapped = s.host.swap_total_bytes - s.host.swap_free_bytes
        lines.append(
            f"memory  {size(used):>8} of {size(s.host.memory_total_bytes)} used, "
            f"swap {size(swapped)} of {size(s.host.swap_total_bytes)}, "
            f"pressure {percent(s.host.pressure)}"
        )
    return [*lines, f"heat    {HEAT_LEGEND}", ""]


def _with_note(title: str, note: str, width: int) -> list[str]:
    """Return both on one line, the note at the right, or on two."""
    if len(title) + 2 + len(note) > width:
        return [title, note]
    return [f"{title:{width - len(note)}}{note}".rstrip()]


def _block(t: TenantStatus, history: History, width: int) -> list[str]:
    name = shortened(printable(t.name), _NAME_WIDTH)
    knobs = ", ".join(f"{knob_title(k)} {knob(k, value)}" for k, value in t.knobs.items())
    lines = [f"{name:{_NAME_WIDTH}} {printable(t.phase):10} {knobs}".rstrip()]
    if t.heat:
        lines += [_heat_line(t, width), _saved_line(t, history)]
    reason = why(t)
    return [*lines, f"  {reason}"] if reason else lines


def _heat_line(t: TenantStatus, width: int) -> str:
    memory = f"{size(t.resident_bytes)} resident, {size(t.swapped_bytes)} out"
    # as wide for all, so that one can be compared with the other
    bar_width = max(_LEAST_BAR_WIDTH, width - len("  heat  []  100.0 GiB resident, 100.0 GiB out"))
    return f"  heat  [{heat_bar(t.heat, bar_width)}]  {memory}"


def _saved_line(t: TenantStatus, history: History) -> str:
    used = None if t.slowdown is None or not t.budget else t.slowdown / t.budget
    return (
        f"  saved {size(t.saved_bytes):>8} {_course(history, t.name)}  "
        f"slowdown {percent(t.slowdown):>5} of {percent(t.budget)} [{gauge(used, _GAUGE_WIDTH)}]"
    )


def _course(history: History, tenant: str | None) -> str:
    return sparkline(history.saved(tenant, _NR_CELLS))


def _fitted(blocks: Sequence[list[str]], room: int | None) -> list[str]:
    """Set the blocks apart where there is room for it, and say how many there is none for."""
    apart = [line for block in blocks for line in (*block, "")][:-1]
    if room is None or len(apart) <= room:
        return apart
    together = [line for block in blocks for line in block]
    if len(together) <= room:
        return together
    lines: list[str] = []
    for at, block in enumerate(blocks):
        if len(lines) + len(block) > room - 1:
            return [
                *lines,
                f"... and {counted(len(blocks) - at, 'tenant')} more: make this taller",
            ]
        lines += block
    return lines
