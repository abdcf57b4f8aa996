"""A long time on a lively host: tenants die and arrive, pressure spikes, the kernel is moody."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .fake_host import Daemon
from .lively_host import LivelyHost

TENANTS = 4
_MINUTE_S, _QUARTER_S, _HOUR_S = 60.0, 900.0, 3600.0
_FIRST_PID = 10_000

# A breach lasts when this many intervals in a row are over budget.
LASTING = 2


@dataclass
class Soaked:
    """What became of it; ``uncorrected`` are breaches that went on as they were."""

    decisions: int = 0
    breaches: int = 0
    longest_breach: int = 0
    uncorrected: list[str] = field(default_factory=list)
    warnings: dict[str, int] = field(default_factory=dict)
    arrivals: int = 0
    spikes: int = 0
    is_restored: bool = False
    rss_kib: list[int] = field(default_factory=list)
    nr_fds: list[int] = field(default_factory=list)


@dataclass
class _Breach:
    """Intervals over budget in a row, and the quota in force when they began."""

    length: int = 0
    quota: float = 0.0
    elapsed_s: float = -1e9


def soak(folder: Path, seconds: float, seed: int = 1, interval: str = "5s") -> Soaked:
    """Let a daemon that acts live for ``seconds`` of its host's time."""
    host = LivelyHost(seed, busy=0.01)
    result, alive = Soaked(), _spawned(host)
    units = '[tenants.web]\nunit = "web@*.service"\n'
    daemon = Daemon(folder, host, f'mode = "act"\nlog = "json"\ninterval = "{interval}"\n{units}')
    before = host.sysfs
    breaches: dict[str, _Breach] = {}
    step_s = float(interval[:-1])

    def write(line: str) -> None:
        if line.startswith("{"):
            _watch(json.loads(line), breaches, result, step_s)
        elif line.startswith("warning"):
            kind = line.split(":")[1].strip()[:40]
            result.warnings[kind] = result.warnings.get(kind, 0) + 1

    daemon.write = write

    def every(period_s: float, call: Callable[[], object]) -> None:
        def again() -> None:
            call()
            daemon.after(period_s, again)

        daemon.after(period_s, again)

    every(_MINUTE_S, lambda: _replace_one(host, alive, result))
    every(_QUARTER_S, lambda: _spike(host, result))
    every(_HOUR_S, lambda: setattr(host, "busy_until_us", host.clock_us + 12_000_000))
    every(_HOUR_S / 2, lambda: _sample(result))
    service = daemon.service()
    # what stands down for a busy kernel is told to go on, as its administrator would

    def attend() -> None:
        if service.status().phase == "stood down":
            service._answer("resume")

    every(_MINUTE_S, attend)
    daemon.run(seconds, service)
    result.is_restored = {p: t for p, t in host.sysfs.items() if "cgroup" not in p} == {
        p: t for p, t in before.items() if "cgroup" not in p
    }
    return result


def _spawned(host: LivelyHost) -> dict[int, str]:
    alive = {}
    for number in range(TENANTS):
        pid, unit = _FIRST_PID + number, f"web@{number}.service"
        host.start(pid, unit)
        alive[pid] = unit
    return alive


def _replace_one(host: LivelyHost, alive: dict[int, str], result: Soaked) -> None:
    pid = host.rng.choice(sorted(alive))
    host.end(pid, alive.pop(pid))
    new = max([pid, *alive]) + 1
    alive[new] = f"web@{new}.service"
    host.start(new, alive[new])
    result.arrivals += 1


def _spike(host: LivelyHost, result: Soaked) -> None:
    host.spike_until_us = host.clock_us + 10_000_000
    result.spikes += 1


def _sample(result: Soaked) -> None:
    words = Path("/proc/self/statm").read_text().split()
    result.rss_kib.append(int(words[1]) * os.sysconf("SC_PAGE_SIZE") >> 10)
    result.nr_fds.append(len(os.listdir("/proc/self/fd")))


def _watch(
    told: dict[str, object], breaches: dict[str, _Breach], result: Soaked, step_s: float
) -> None:
    result.decisions += 1
    name, elapsed_s = str(told["tenant"]), float(told["elapsed_s"])  # type: ignore[arg-type]
    for other in [n for n, b in breaches.items() if elapsed_s - b.elapsed_s > 2 * step_s]:
        del breaches[other]
    breach = breaches.setdefault(name, _Breach())
    is_gap = elapsed_s - breach.elapsed_s > 2 * step_s
    breach.elapsed_s = elapsed_s
    knobs: dict[str, float] = told["knobs"]  # type: ignore[assignment]
    before: dict[str, float] = told["knobs_before"]  # type: ignore[assignment]
    if not told["slowdown"] or told["slowdown"] <= told["budget"] or is_gap:  # type: ignore[operator]
        breach.length = 0
        return
    result.breaches += 1
    breach.length += 1
    result.longest_breach = max(result.longest_breach, breach.length)
    if breach.length == 1:
        breach.quota = before.get("quota_bytes_per_s", 0.0)
    guard: list[str] = told["guard"]  # type: ignore[assignment]
    quota = knobs.get("quota_bytes_per_s", 0.0)
    is_off = "hold" in guard or not knobs
    if breach.length >= LASTING and not is_off and quota > max(breach.quota / 2, 4096.0):
        result.uncorrected.append(f"{name} at {elapsed_s:.0f} s")


def lines_of(result: Soaked) -> Iterator[str]:
    """What went wrong, in words."""
    yield from result.uncorrected
    if not result.is_restored:
        yield "not everything was put back"
