"""Who uses DAMON on this host: it serves one user at a time, and nothing enforces manners."""

from __future__ import annotations

from dataclasses import dataclass

from damon_tuner.errors import DamonBusyError, DamonMissingError
from damon_tuner.kernel_iface.sysfs.observe.table import whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

ADMIN = "sys/kernel/mm/damon/admin"
NR_KDAMONDS = f"{ADMIN}/kdamonds/nr_kdamonds"

# Modules that run DAMON exclusively and act on memory: stopping them is the operator's choice.
_ACTING_MODULES = ("damon_reclaim", "damon_lru_sort")

# How many kdamonds fit into a one-line error.
_NAMED = 4

# Only observes, and distributions switch it on by default.
DAMON_STAT_ENABLED = "sys/module/damon_stat/parameters/enabled"


def require_damon(tree: Tree) -> None:
    """Check that the kernel offers DAMON's sysfs files; raises ``DamonMissingError``."""
    if not tree.exists(ADMIN):
        raise DamonMissingError(
            f"this kernel has no DAMON: /{ADMIN} does not exist; use a kernel built with "
            "CONFIG_DAMON, CONFIG_DAMON_SYSFS, CONFIG_DAMON_VADDR and CONFIG_DAMON_PADDR "
            "(and mount sysfs at /sys)"
        )


@dataclass(frozen=True, slots=True)
class Occupant:
    """Who uses DAMON, and how to make them stop."""

    who: str
    remedy: str


def occupant(tree: Tree) -> Occupant | None:
    """Return who uses DAMON, reading only; damon_stat does not count.

    Raises:
        NoPermissionError: the files are root's.
        KernelFileError: DAMON does not say how many kdamonds there are.
    """
    count = whole(tree.read(NR_KDAMONDS), NR_KDAMONDS)
    if count:
        return Occupant(
            _kdamonds(tree, count),
            "stop the program that set this up, or, if it is gone, write off to the state of "
            f"each in /{ADMIN}/kdamonds and then 0 to /{NR_KDAMONDS}",
        )
    for module in _ACTING_MODULES:
        parameter = f"sys/module/{module}/parameters/enabled"
        if is_on(tree.read_if_present(parameter)):
            return Occupant(module, f"write N to /{parameter} to stop it")
    return None


def require_unused(tree: Tree) -> None:
    """Check that nobody uses DAMON; raises ``DamonBusyError``, and what ``occupant`` raises."""
    found = occupant(tree)
    if found is not None:
        raise DamonBusyError(f"DAMON is in use by {found.who}: {found.remedy}")


def is_on(text: str | None) -> bool:
    """Tell whether a boolean module parameter is set; an absent module is off."""
    return text in ("Y", "1")


def _kdamonds(tree: Tree, count: int) -> str:
    named = ", ".join(_described(tree, index) for index in range(min(count, _NAMED)))
    return f"{named} and {count - _NAMED} more" if count > _NAMED else named


def _described(tree: Tree, index: int) -> str:
    directory = f"{ADMIN}/kdamonds/{index}"
    try:
        state = tree.read_if_present(f"{directory}/state")
        pid = tree.read_if_present(f"{directory}/pid")
    except DamonBusyError:
        return f"kdamond {index} (busy)"
    return f"kdamond {index} ({state}, pid {pid})"
