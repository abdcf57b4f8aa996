"""Kills ``damon-tunerd`` at random moments: what it leaves ends by itself, and can be undone."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from damon_tuner.benchmarks.daemon.guest_daemon import LEARNED, STATIC, acting
from damon_tuner.benchmarks.kernel.kills import kill_all, summary, tenant
from damon_tuner.daemon import service  # noqa: F401 (a killed one is forked, with all it needs)
from damon_tuner.daemon.main import main as damon_tunerd
from damon_tuner.kernel_iface.sysfs.lease import LEASE_S

_KDAMONDS = Path("/sys/kernel/mm/damon/admin/kdamonds")
_LIVES_S = 4.0
_WAITS_EACH = 3
_LOOK_S = 0.5
# What has not grown for so long has stopped.
_STILL_S = 3.0
_STATS = ("nr_tried", "sz_tried", "nr_applied", "sz_applied", "nr_snapshots")


@dataclass(frozen=True, slots=True)
class Left:
    """A scheme that runs on after a kill, and in how many seconds at most it stops by itself."""

    scheme: str
    stops_in_s: float
    apply_interval_s: float

    @property
    def is_leased(self) -> bool:
        """Whether that is as soon as is promised."""
        return self.stops_in_s <= LEASE_S + self.apply_interval_s


@dataclass(slots=True)
class Leases:
    """What was left running by all kills, and how long some of it took to stop."""

    found: list[Left] = field(default_factory=list)
    stopped_after_s: dict[str, list[float]] = field(default_factory=dict)

    def look(self, driver: str) -> None:
        """Look at what a kill has left, and wait for the end of the first of each driver."""
        killed_s = time.monotonic()
        left = [scheme for kdamond in _running() for scheme in _left(kdamond)]
        self.found += left
        waited = self.stopped_after_s.setdefault(driver, [])
        if left and len(waited) < _WAITS_EACH:
            waited.append(_until_still() - killed_s)

    def summary(self) -> dict[str, object]:
        """As it is told."""
        late = [str(left) for left in self.found if not left.is_leased]
        return {
            "schemes_left": len(self.found),
            "longest_s": max((left.stops_in_s for left in self.found), default=0.0),
            "not_leased": late,
            "stopped_after_s": self.stopped_after_s,
        }


def measure(count: int) -> dict[str, object]:
    """Kill ``count`` daemons that act on two processes, decided for by each policy in turn."""
    leases = Leases()
    with tenant() as one, tenant() as two:
        folder = Path("/run/killed")
        folder.mkdir()
        drivers = {}
        for name, lines in (("learned", LEARNED), ("static", STATIC)):
            config = folder / f"{name}.toml"
            more = f'{lines}metrics = "{folder}/metrics.prom"\n'
            text = acting(folder, {"one": one, "two": two}, more)
            config.write_text(f'{text}[experience]\nfolder = "{folder}/experience"\n')
            drivers[name] = partial(_lives, config)
        kills = list(kill_all(drivers, count, Random(1), leases.look))
    by_driver = Counter(kill.what for kill in kills if kill.restored)
    told = summary("daemon.kill.restored", kills)
    return {**told, "by_policy": by_driver, "leases": leases.summary()}


def _lives(config: Path) -> int:
    """A daemon that is told to stop after a while, so that some kills come while it does."""
    signal.signal(signal.SIGALRM, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, _LIVES_S)
    return damon_tunerd(["--config", str(config)])


def _running() -> list[Path]:
    found = sorted(_KDAMONDS.glob("[0-9]*"))
    return [kdamond for kdamond in found if _word(kdamond / "state") == "on"]


def _left(kdamond: Path) -> list[Left]:
    """The schemes of a kdamond that act, or could."""
    (kdamond / "state").write_text("update_schemes_stats")
    left = []
    for scheme in _acting(kdamond):
        stats = {name: int(_word(scheme / "stats" / name)) for name in _STATS}
        most = int(_word(scheme / "stats/max_nr_snapshots"))
        if not most and not any(stats.values()):
            continue  # staged, and never committed
        aggr = kdamond / "contexts/0/monitoring_attrs/intervals/aggr_us"
        apply_us = int(_word(scheme / "apply_interval_us")) or int(_word(aggr))
        walks = max(most - stats["nr_snapshots"], 0) if most else float("inf")
        left.append(Left(str(scheme), walks * apply_us / 1e6, apply_us / 1e6))
    return left


def _acting(kdamond: Path) -> list[Path]:
    schemes = sorted(kdamond.glob("contexts/0/schemes/[0-9]*"))
    return [scheme for scheme in schemes if _word(scheme / "action") != "stat"]


def _until_still() -> float:
    """Wait until the statistics grow no more; return when they last did."""
    seen, grew_s = _counted(), time.monotonic()
    while time.monotonic() - grew_s < _STILL_S:
        time.sleep(_LOOK_S)
        now = _counted()
        if now != seen:
            seen, grew_s = now, time.monotonic()
    return grew_s


def _counted() -> list[str]:
    counted = []
    for kdamond in _running():
        (kdamond / "state").write_text("update_schemes_stats")
        counted += [_word(s / "stats" / name) for s in _acting(kdamond) for name in _STATS]
    return counted


def _word(path: Path) -> str:
    return path.read_text().strip()
