"""Who uses DAMON on this host: it serves one user at a time, and nothing enforces manners."""

from __future__ import annotations

from damon_tuner.errors import DamonBusyError, DamonMissingError
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


def require_unused(tree: Tree) -> None:
    """Check that nobody uses DAMON, reading only; damon_stat does not count.

    Raises:
        DamonBusyError: names who does, and what to do.
        NoPermissionError: the files are root's.
    """
    count = int(tree.read(NR_KDAMONDS))
    if count:
        kdamonds = ", ".join(_described(tree, index) for index in range(min(count, _NAMED)))
        if count > _NAMED:
            kdamonds += f" and {count - _NAMED} more"
        raise DamonBusyError(
            f"DAMON is in use: {kdamonds}; stop the program that set this up, or, if it is gone, "
            f"write off to the state of each in /{ADMIN}/kdamonds and then 0 to /{NR_KDAMONDS}"
        )
    for module in _ACTING_MODULES:
        parameter = f"sys/module/{module}/parameters/enabled"
        if is_on(tree.read_if_present(parameter)):
            raise DamonBusyError(
                f"DAMON is in use by {module}: write N to /{parameter} to stop it"
            )


def is_on(text: str | None) -> bool:
    """Tell whether a boolean module parameter is set; an absent module is off."""
    return text in ("Y", "1")


def _described(tree: Tree, index: int) -> str:
    directory = f"{ADMIN}/kdamonds/{index}"
    try:
        state = tree.read_if_present(f"{directory}/state")
        pid = tree.read_if_present(f"{directory}/pid")
    except DamonBusyError:
        return f"kdamond {index} (busy)"
    return f"kdamond {index} ({state}, pid {pid})"
