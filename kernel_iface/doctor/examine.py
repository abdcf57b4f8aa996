"""Every check, one after the other; none can spoil another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from damon_tuner.errors import NotRestoredError, TunerError
from damon_tuner.kernel_iface.doctor import access, damon, memory, power
from damon_tuner.kernel_iface.doctor.finding import Finding, Verdict, unknown
from damon_tuner.kernel_iface.doctor.probe import sample_kdamond
from damon_tuner.kernel_iface.sysfs.tree import Tree


@dataclass(frozen=True, slots=True)
class _Check:
    topic: str
    name: str
    look: Callable[[Tree], Verdict]
    needed: bool = False


_ACCESS = (
    _Check("Access", "user", access.user, needed=True),
    _Check("Access", "sysfs", access.writable, needed=True),
    _Check("Access", "tracing", access.tracing),
)

_DAMON = (
    _Check("DAMON", "kernel", damon.release),
    _Check("DAMON", "interface", damon.interface, needed=True),
    _Check("DAMON", "users", damon.users, needed=True),
    _Check("DAMON", "features", damon.features, needed=True),
)

_MEMORY = (
    _Check("Reclaim", "pressure", memory.pressure, needed=True),
    _Check("Reclaim", "swap", memory.swap, needed=True),
    _Check("Reclaim", "compression", memory.compression),
    _Check("Containers", "cgroup v2", memory.cgroups),
    _Check("Tiering", "tiers", memory.tiers),
    _Check("Huge pages", "transparent", memory.huge),
    _Check("Power", "blocks", power.blocks),
    _Check("Power", "clocks", power.caps),
    _Check("Power", "energy", power.energy),
)


def examine(tree: Tree, folder: Path, *, probe: bool = False) -> tuple[Finding, ...]:
    """Look at everything, writing nothing; what cannot be read is a finding as well.

    ``folder`` is where the journal of changes is. With ``probe``, a kdamond that does not run is
    made for a moment, so that features are told by their files; where somebody uses DAMON nothing
    is made.

    Raises:
        NotRestoredError: that kdamond could not be removed again.
    """
    leftovers = _Check("DAMON", "leftovers", partial(damon.leftovers, folder=folder), needed=True)
    return tuple(
        Finding(check.topic, check.name, check.needed, _verdict(check, tree, folder, probe))
        for check in (*_ACCESS, *_DAMON, leftovers, *_MEMORY)
    )


def _verdict(check: _Check, tree: Tree, folder: Path, probe: bool) -> Verdict:
    try:
        if probe and check.look is damon.features:
            with sample_kdamond(tree, folder):
                return check.look(tree)
        return check.look(tree)
    except NotRestoredError:
        raise
    except TunerError as error:
        return unknown(str(error))
