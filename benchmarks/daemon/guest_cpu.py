"""What ``damon-tunerd`` costs while it acts: CPU time and memory of its process.

To be measured on the guest's counted clock, as :mod:`damon_tuner.benchmarks.kernel.monitor` is.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from damon_tuner.benchmarks.daemon.guest_daemon import LEARNED, Daemon, acting
from damon_tuner.benchmarks.daemon.guest_stripes import striped

NR_TENANTS = 6
NR_ROUNDS = 24
INTERVAL_S = 5.0

_WARM_UP_ROUNDS = 8
_REGIONS = re.compile(r"^damon_tuner_tenant_regions\{[^}]*\} (\d+)", re.MULTILINE)
_KDAMONDS = Path("/sys/kernel/mm/damon/admin/kdamonds")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of the daemon over ``NR_ROUNDS`` intervals; shares are of one CPU."""

    nr_tenants: int
    nr_regions: list[int]
    """Of all tenants together, round by round."""
    shares: list[float]
    """The daemon's, round by round."""
    kdamonds_share: float
    rss_bytes: int
    uss_bytes: int
    """Of that, what no other process has: the rest is Python's own code."""
    swapped_bytes: int
    """Of the tenants."""
    learned_share: float
    """Of all decisions, those that the learned policy took."""


def measure() -> Cost:
    """Act on processes with many regions; state, log, metrics and experience are in memory."""
    folder = Path("/run/measured")
    folder.mkdir()
    with ExitStack() as stack:
        pids = [stack.enter_context(striped()) for _ in range(NR_TENANTS)]
        tenants = {f"tenant{number}": pid for number, pid in enumerate(pids)}
        metrics = folder / "damon-tuner.prom"
        text = acting(folder, tenants, f'{LEARNED}metrics = "{metrics}"\n', f"{INTERVAL_S:g}s")
        text += f'[experience]\nfolder = "{folder}/experience"\n'
        daemon = stack.enter_context(Daemon(folder, text))
        daemon.start()
        daemon.wait_for_decisions(_WARM_UP_ROUNDS * NR_TENANTS)
        cost = _measured(daemon, metrics, pids)
        daemon.stop()
        return cost


def _measured(daemon: Daemon, metrics: Path, tenants: list[int]) -> Cost:
    pid = daemon.pid
    # halfway between two rounds
    time.sleep(INTERVAL_S / 2)
    kdamonds = [int(path.read_text()) for path in sorted(_KDAMONDS.glob("[0-9]*/pid"))]
    kdamonds_s = sum(map(_cpu_s, kdamonds))
    began_s = before_s = time.monotonic()
    spent_s, shares, nr_regions = _cpu_s(pid), [], []
    for number in range(1, NR_ROUNDS + 1):
        time.sleep(max(began_s + number * INTERVAL_S - time.monotonic(), 0.0))
        now_s, now_spent_s = time.monotonic(), _cpu_s(pid)
        shares.append((now_spent_s - spent_s) / (now_s - before_s))
        before_s, spent_s = now_s, now_spent_s
        nr_regions.append(sum(map(int, _REGIONS.findall(metrics.read_text()))))
        print(f"round {number}: {nr_regions[-1]} regions, {shares[-1]:.2%}", flush=True)
    return Cost(
        nr_tenants=len(tenants),
        nr_regions=nr_regions,
        shares=shares,
        kdamonds_share=(sum(map(_cpu_s, kdamonds)) - kdamonds_s) / (before_s - began_s),
        rss_bytes=_kib(pid, "status", "VmRSS") << 10,
        uss_bytes=sum(_kib(pid, "smaps_rollup", f"Private_{kind}") for kind in _OWN) << 10,
        swapped_bytes=sum(_kib(tenant, "status", "VmSwap") for tenant in tenants) << 10,
        learned_share=1.0 - daemon.nr_lines("static policy, because") / daemon.nr_decisions(),
    )


_OWN = ("Clean", "Dirty")


def _cpu_s(pid: int) -> float:
    """CPU time of a whole process, threads that have ended included (clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)


def _kib(pid: int, file: str, name: str) -> int:
    text = Path(f"/proc/{pid}/{file}").read_text()
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0
