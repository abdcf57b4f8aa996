"""Whether ``damon-tunerd`` leaves DAMON alone where somebody else uses it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from damon_tuner.benchmarks.daemon.guest_daemon import Daemon, acting
from damon_tuner.benchmarks.kernel.kills import tenant
from damon_tuner.benchmarks.kernel.owned import owned_damon
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.host import Action, Context, KdamondSpec, Scheme
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.tree import Tree

_KDAMONDS = Path("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds")
_RECLAIM = "sys/module/damon_reclaim/parameters/enabled"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One occupant of DAMON, and what the daemon did about it."""

    name: str
    refused: bool
    said: str


@contextmanager
def _set_up(pid: int) -> Iterator[str]:
    _KDAMONDS.write_text("1")
    try:
        yield "kdamond 0"
    finally:
        _KDAMONDS.write_text("0")


@contextmanager
def _running(pid: int) -> Iterator[str]:
    with owned_damon(Tree(LocalKernel())) as damon:
        damon.start([KdamondSpec(Context(pid=pid), (Scheme(Action.STAT),))])
        yield "kdamond 0 (on"


@contextmanager
def _reclaim(pid: int) -> Iterator[str]:
    with owned_damon(Tree(LocalKernel()), {_RECLAIM: "Y"}):
        yield "damon_reclaim"


OCCUPANTS: dict[str, Callable[[int], AbstractContextManager[str]]] = {
    "kdamond, off": _set_up,
    "kdamond, running": _running,
    "damon_reclaim": _reclaim,
}


def measure() -> list[Refusal]:
    """Start a daemon beside each occupant; each is given what names it."""
    with tenant() as pid:
        return [_tried(name, occupy, pid) for name, occupy in OCCUPANTS.items()]


def _tried(name: str, occupy: Callable[[int], AbstractContextManager[str]], pid: int) -> Refusal:
    with occupy(pid) as named, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        before = damon_settings()
        with Daemon(folder, acting(folder, {"idle": pid})) as daemon:
            daemon.start()
            try:
                status = daemon.ended()
            except TunerError as error:
                return Refusal(name, False, str(error))
            said = daemon.log()[-1]
        refused = status == 1 and named in said and damon_settings() == before
        return Refusal(name, refused, said)
