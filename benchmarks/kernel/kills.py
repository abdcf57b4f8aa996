"""Kills a tuner at random moments and restores after it; runs in the guest, where DAMON is ours.

``python -m damon_tuner.benchmarks.kernel.kills`` prints one JSON object: of so many kills, after
how many everything was as before.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mmap
import os
import platform
import random
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from damon_tuner.cli import main as damon_tuner
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    KdamondSpec,
    Operations,
    Quota,
    Scheme,
)
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings
from damon_tuner.kernel_iface.sysfs.journal import state_dir
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.lock import take_lock
from damon_tuner.kernel_iface.sysfs.observe.physical import system_ram
from damon_tuner.kernel_iface.sysfs.occupants import DAMON_STAT_ENABLED
from damon_tuner.kernel_iface.sysfs.tree import Tree

_TENANT_BYTES = 32 << 20
_COLD = AccessPattern(min_sz_bytes=4096, max_nr_accesses=0, min_age=20)

# The switch of the module that may be on, and parameters of those that are off.
_PARAMETERS = {
    DAMON_STAT_ENABLED: "N",
    "sys/module/damon_reclaim/parameters/min_age": "60000000",
    "sys/module/damon_lru_sort/parameters/wmarks_high": "300",
}


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: what ran, when it came, whether it left anything, and whether all is as before.

    ``still`` names what is not as before after the restore.
    """

    what: str
    after_s: float
    left_changes: bool
    restore_was_killed: bool
    restore_s: float
    status: int
    still: tuple[str, ...]

    @property
    def restored(self) -> bool:
        """Whether everything is as before, and the restore says so."""
        return self.status == 0 and not self.still


def run_command(tenant: int) -> int:
    """``damon-tuner run``, from its first change to its last."""
    options = ["--static", "pageout_5s", "--interval", "0.5", "--swap-in-us", "60"]
    return damon_tuner(["run", "--pid", str(tenant), *options, "--duration", "2", "--json"])


def drive_damon(tenant: int) -> int:
    """Two kdamonds with three schemes, changed twice, and module parameters."""
    kernel = LocalKernel()
    tree = Tree(kernel)
    unlock = take_lock(kernel, state_dir())
    ledger = Ledger(tree, state_dir())
    try:
        for path, text in _PARAMETERS.items():
            if tree.exists(path):
                ledger.write(path, text)
        damon = Damon(tree, ledger)
        damon.start(_kdamonds(tenant, 1))
        for mib in (2, 3):
            time.sleep(0.1)
            damon.apply(_kdamonds(tenant, mib), is_urgent=True)
            damon.stats(0)
    finally:
        ledger.restore()
        unlock()
    return 0


def _kdamonds(tenant: int, mib: int) -> list[KdamondSpec]:
    quota = Quota(sz_bytes=mib << 20, reset_interval_ms=1_000)
    ram = system_ram(Tree(LocalKernel()))
    return [
        KdamondSpec(
            Context(pid=tenant),
            (Scheme(Action.PAGEOUT, _COLD, quota), Scheme(Action.STAT)),
        ),
        KdamondSpec(Context(Operations.PADDR, ranges=ram), (Scheme(Action.LRU_DEPRIO, _COLD),)),
    ]


Drivers = Mapping[str, Callable[[], int]]


def drivers(tenant: int) -> Drivers:
    """What is killed: each manages the process ``tenant``, and ends by itself."""
    return {"run": partial(run_command, tenant), "damon": partial(drive_damon, tenant)}


def main(arguments: list[str] | None = None) -> int:
    """Kill, restore, compare, as often as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if os.environ.get("DAMON_TUNER_GUEST") != "1":
        parser.error("changes the running kernel: only in the guest")
    rng = random.Random(options.seed)
    with tenant() as pid:
        kills = list(kill_all(drivers(pid), options.kills, rng))
    print(json.dumps(summary("kernel.kill.restored", kills)), flush=True)
    return 0 if all(kill.restored for kill in kills) else 1


def summary(figure: str, kills: list[Kill]) -> dict[str, object]:
    """What the figure says, and each kill that was not restored."""
    return {
        "figure": figure,
        "value": sum(kill.restored for kill in kills),
        "unit": "kills",
        "kills": len(kills),
        "left_changes": sum(kill.left_changes for kill in kills),
        "restores_killed_too": sum(kill.restore_was_killed for kill in kills),
        "restore_s": round(statistics.median(kill.restore_s for kill in kills), 3),
        "kernel": platform.release(),
        "failed": [str(kill) for kill in kills if not kill.restored],
    }


def kill_all(
    drivers: Drivers,
    count: int,
    rng: random.Random,
    look: Callable[[str], None] = lambda name: None,
) -> Iterator[Kill]:
    """Kill ``count`` runs of the drivers in turn, each between its first and last moment.

    ``look`` is told which driver it was before anything is restored.
    """
    before = damon_settings()
    lasts_s = {name: _duration_s(driver) for name, driver in drivers.items()}
    if damon_settings() != before:
        raise TunerError("a run that was not killed left changes")
    names = list(drivers)
    for number in range(count):
        name = names[number % len(names)]
        after_s = rng.uniform(0.0, lasts_s[name])
        _killed(drivers[name], after_s)
        left = damon_settings() != before
        look(name)
        kill_restore = number % 5 == 4
        if kill_restore:
            _killed(_restore, rng.uniform(0.0, 0.2))
        began = time.monotonic()
        status = _ended(_forked(_restore))
        restore_s = time.monotonic() - began
        yield Kill(name, after_s, left, kill_restore, restore_s, status, tuple(_still(before)))


def _still(before: Mapping[str, str]) -> Iterator[str]:
    now = damon_settings()
    for path in sorted(before.keys() | now.keys()):
        if before.get(path) != now.get(path):
            yield f"{path}: {before.get(path)!r} -> {now.get(path)!r}"
    if _journal().exists():
        yield str(_journal())


def _restore() -> int:
    return damon_tuner(["restore"])


def _journal() -> Path:
    return state_dir() / "journal"


def _duration_s(driver: Callable[[], int]) -> float:
    began = time.monotonic()
    status = _ended(_forked(driver))
    if status != 0:
        raise TunerError(f"a run that was not killed ended with {status}")
    return time.monotonic() - began


def _killed(run: Callable[[], int], after_s: float) -> None:
    pid = _forked(run)
    time.sleep(after_s)
    os.kill(pid, signal.SIGKILL)
    _ended(pid)


def _forked(run: Callable[[], int]) -> int:
    """Begin ``run`` in a process of its own: a new interpreter would take longer than the run."""
    sys.stdout.flush()
    pid = os.fork()
    return pid if pid else _run_and_exit(run)


def _run_and_exit(run: Callable[[], int]) -> NoReturn:
    status = 70
    try:
        with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
            status = run()
    finally:
        os._exit(status)


def _ended(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


@contextlib.contextmanager
def tenant() -> Iterator[int]:
    """A process whose memory is cold."""
    pid = _forked(_idle)
    try:
        time.sleep(0.5)
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        _ended(pid)


def _idle() -> int:
    memory = mmap.mmap(-1, _TENANT_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.write(bytes(range(256)) * (_TENANT_BYTES >> 8))
    time.sleep(1e6)
    return 0


if __name__ == "__main__":
    sys.exit(main())
