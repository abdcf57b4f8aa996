"""Two tenants with the same load and unlike budgets, managed by the daemon and its own policy.

The load is a key-value store in the middle of the simulator's family of that name
(``kernel_iface/sim/workloads/kv.c``): slabs of Zipf popularity, a third of them never read, and
every 40 s two slabs change places. A request costs ten microseconds of CPU time, as one of a
store that answers over a network does.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from damon_tuner.benchmarks.daemon.guest_daemon import Daemon
from damon_tuner.benchmarks.kernel.played import Played, Sample, playing

BUDGETS = {"careful": 0.01, "generous": 0.1}
WATCHED_S, ACT_S = 90.0, 300.0

_OWN_CPU = 0
_LOOK_S = 5.0
_KDAMONDS = Path("/sys/kernel/mm/damon/admin/kdamonds")

_SLAB_MIB, _SLABS, _READ_SLABS = 6, 24, 16
_SKEW = 1.1
_REQUESTS_PER_S = 4_000
_PAGES_PER_SLAB = _SLAB_MIB * 256
_DRIFT_S, _DRIFTS = 40, 16
# Of seven instructions each, with what is around them: a microsecond takes some 140.
_WORK_ROUNDS = 1_400


def measure() -> dict[str, Any]:
    """Let the daemon only watch the two, and then, with loads started anew, let it act."""
    os.sched_setaffinity(0, {_OWN_CPU})
    return {
        "watched": _managed("shadow", WATCHED_S),
        "managed": _managed("act", ACT_S),
    }


def store_pattern(rng: Random) -> str:
    """What the load program is told, with the drift of the slabs' popularity."""
    weights = [rank**-_SKEW for rank in range(1, _READ_SLABS + 1)]
    rates_hz = [
        weight / sum(weights) * _REQUESTS_PER_S / _PAGES_PER_SLAB for weight in weights
    ] + [0.0] * (_SLABS - _READ_SLABS)
    rng.shuffle(rates_hz)
    lines = [f"map {_SLAB_MIB * _SLABS}M", f"work {_WORK_ROUNDS}"]
    for _ in range(_DRIFTS):
        lines.append(f"phase {_DRIFT_S}")
        lines += [
            f"{slab * _SLAB_MIB}M {_SLAB_MIB}M random {rate_hz:.6f}"
            for slab, rate_hz in enumerate(rates_hz)
            if rate_hz
        ]
        one, other = rng.sample(range(_SLABS), 2)
        rates_hz[one], rates_hz[other] = rates_hz[other], rates_hz[one]
    return "\n".join(lines) + "\n"


def _managed(mode: str, seconds: float) -> dict[str, Any]:
    folder = Path("/run", mode)
    folder.mkdir()
    with ExitStack() as stack:
        loads = {
            name: stack.enter_context(playing(name, store_pattern(Random(1)), folder))
            for name in BUDGETS
        }
        daemon = stack.enter_context(Daemon(folder, _configuration(mode, folder)))
        daemon.start()
        daemon.wait_for(_kdamonds_are_there, "began")
        _pin_kdamonds()
        for load in loads.values():
            load.go()
        samples = _watch(loads, seconds)
        found = {name: _found(load, samples[name]) for name, load in loads.items()}
        daemon.stop()
        decisions = [json.loads(line) for line in daemon.log() if line.startswith("{")]
    for name, each in found.items():
        each["decisions"] = [_told(line) for line in decisions if line["tenant"] == name]
    return found


def _configuration(mode: str, folder: Path) -> str:
    lines = [
        f'mode = "{mode}"',
        'log = "json"',
        f'socket = "{folder}/run/socket"',
        f'[experience]\nfolder = "{folder}/experience"',
    ]
    for name, budget in BUDGETS.items():
        lines.append(f'[tenants.{name}]\ncgroup = "{name}"\nbudget = "{budget:.0%}"')
    return "\n".join(lines) + "\n"


def _kdamonds() -> list[int]:
    pids = [int(path.read_text()) for path in _KDAMONDS.glob("[0-9]*/pid")]
    return [pid for pid in pids if pid > 0]


def _kdamonds_are_there() -> bool:
    return len(_kdamonds()) == len(BUDGETS)


def _pin_kdamonds() -> None:
    for pid in _kdamonds():
        os.sched_setaffinity(pid, {_OWN_CPU})


def _watch(loads: Mapping[str, Played], seconds: float) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {name: [] for name in loads}
    began_s = time.monotonic()
    while True:
        for name, load in loads.items():
            samples[name].append(load.sample())
        at_s = time.monotonic() - began_s
        print(f"{at_s:.0f} s", flush=True)
        if at_s >= seconds:
            return samples
        time.sleep(_LOOK_S - at_s % _LOOK_S)


def _found(load: Played, samples: list[Sample]) -> dict[str, Any]:
    first, last = samples[0], samples[-1]
    elapsed_s = last.at_s - first.at_s
    return {
        "accesses_per_s": load.accesses_per_s(),
        "cpu_share": (last.cpu_s - first.cpu_s) / elapsed_s,
        "major_faults": last.major_faults - first.major_faults,
        "seconds": elapsed_s,
        "samples": [asdict(sample) for sample in samples],
    }


def _told(line: Mapping[str, Any]) -> dict[str, Any]:
    """Of one decision, what figures are made of."""
    names = ("elapsed_s", "resident_bytes", "swapped_bytes", "saved_bytes", "major_faults")
    more = ("slowdown", "knobs", "guard", "note", "swap_in_us", "cpu_time_us")
    return {name: line[name] for name in (*names, *more)}
