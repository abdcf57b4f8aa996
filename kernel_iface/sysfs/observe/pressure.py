"""How long tasks have waited for memory, the CPU, or storage (pressure stall information)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.sysfs.observe.table import unreadable, whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

Resource = Literal["memory", "cpu", "io"]


@dataclass(frozen=True, slots=True)
class Pressure:
    """Microseconds since boot, or since the cgroup was made."""

    some_us: int
    """At least one task waited."""
    full_us: int | None
    """All tasks that could have run waited; older kernels do not tell it for the CPU."""


def pressure(tree: Tree, path: str) -> Pressure | None:
    """Read a pressure file; None where there is none, or where it is switched off.

    Raises:
        KernelFileError: it does not hold what it should.
    """
    text = tree.read_if_present(path)
    if text is None:
        return None
    totals = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        totals[kind] = whole(rest.rpartition("total=")[2], path)
    if "some" not in totals:
        raise unreadable(path, text, "a line that begins with some")
    return Pressure(totals["some"], totals.get("full"))


def system_pressure(tree: Tree, resource: Resource = "memory") -> Pressure | None:
    """Read the whole host's pressure on ``resource``."""
    return pressure(tree, f"proc/pressure/{resource}")


def pressure_some_us(tree: Tree) -> int:
    """Return how long at least one task has waited for memory since boot.

    Raises:
        DamonMissingError: the kernel does not measure pressure.
        KernelFileError: it does not hold what it should.
    """
    found = system_pressure(tree)
    if found is None:
        raise DamonMissingError(
            "this kernel does not measure memory pressure (/proc/pressure/memory): "
            "boot with psi=1, or use a kernel built with CONFIG_PSI"
        )
    return found.some_us
