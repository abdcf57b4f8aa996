"""One policy on one load that runs, and what was seen of both meanwhile."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from damon_tuner.benchmarks.kernel_demo.inside import pin_kdamond
from damon_tuner.benchmarks.loads.memory import pool_bytes
from damon_tuner.daemon.control import control
from damon_tuner.daemon.outcome import Outcome
from damon_tuner.kernel_iface.host import Context
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.policies.decision import MONITORING, LearnedPolicy, Policy

_LOOK_S = 2.0
_HOT_NR_ACCESSES = 5


class Running(Protocol):
    """A load that runs; ``pid`` is the process to be managed, ``done`` all its work so far."""

    @property
    def pid(self) -> int:
        """The process to be managed."""

    @property
    def done(self) -> int:
        """All its work so far."""

    def alive(self) -> bool:
        """Whether it still works."""


def run_phase(
    load: Running, policy: Policy | None, seconds: float, swap_in_us: float, interval_s: float
) -> dict[str, Any]:
    """Let ``policy`` manage ``load`` for that long, or nobody when it is ``None``.

    Returns samples, decisions, and the most bytes in which DAMON saw accesses in a quarter of
    its samples: 0 is a DAMON that sees nothing.
    """
    decisions: list[dict[str, Any]] = []
    seen_hot_bytes = 0

    def on_step(step: Outcome) -> None:
        nonlocal seen_hot_bytes
        if not decisions:
            pin_kdamond()
        hot = [r.end - r.start for r in step.snapshot.regions if r.nr_accesses >= _HOT_NR_ACCESSES]
        seen_hot_bytes = max(seen_hot_bytes, sum(hot))
        decisions.append(_told(step))

    sampler = _Sampler(load)
    sampler.start()
    if policy is None:
        time.sleep(seconds)
    else:
        host = SysfsHost(
            Context(pid=load.pid, attrs=MONITORING),
            swap_in_us=swap_in_us,
            groups=policy.schema.groups if isinstance(policy, LearnedPolicy) else (),
        )
        control(host, policy, on_step=on_step, interval_s=interval_s, duration_s=seconds)
    return {
        "samples": sampler.finish(),
        "decisions": decisions,
        "seen_hot_bytes": seen_hot_bytes,
        "survived": load.alive(),
    }


def sample(load: Running) -> dict[str, float]:
    """Memory, work, faults, CPU time and pressure at this moment."""
    process = Path("/proc", str(load.pid))
    status = (process / "status").read_text()
    kib = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if "kB" in line}
    stat = (process / "stat").read_text().rpartition(")")[2].split()
    pressure = Path("/proc/pressure/memory").read_text().split("total=")[1].split()[0]
    return {
        "at_s": time.monotonic(),
        "resident_bytes": int(kib["VmRSS"]) << 10,
        "swapped_bytes": int(kib["VmSwap"]) << 10,
        "pool_bytes": pool_bytes(),
        "done": load.done,
        "major_faults": int(stat[9]),
        "cpu_s": (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"),
        "psi_some_us": int(pressure),
    }


class _Sampler(threading.Thread):
    """Looks at a load every two seconds until it is told to stop."""

    def __init__(self, load: Running) -> None:
        super().__init__(daemon=True)
        self._load = load
        self._samples: list[dict[str, float]] = []
        self._finished = threading.Event()

    def run(self) -> None:
        """Look at whole steps after the start."""
        began_s = time.monotonic()
        while True:
            try:
                self._samples.append(sample(self._load))
            except (OSError, KeyError):
                # the load has ended, which whoever manages it says
                return
            if self._finished.wait(_LOOK_S - (time.monotonic() - began_s) % _LOOK_S):
                return

    def finish(self) -> list[dict[str, float]]:
        """Stop, and return the samples."""
        self._finished.set()
        self.join()
        return self._samples


def _told(step: Outcome) -> dict[str, Any]:
    """Of one decision, what a reader asks about."""
    decision = step.decision
    return {
        "elapsed_s": step.elapsed_s,
        "knobs": dict(decision.knobs),
        "guard": list(decision.reasons),
        "slowdown": decision.slowdown if decision.knobs else None,
        "regions": len(step.snapshot.regions),
    }
