"""The energy that DRAM has used, where the CPU measures it (powercap)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from damon_tuner.kernel_iface.sysfs.observe.table import number
from damon_tuner.kernel_iface.sysfs.tree import Tree

_POWERCAP = "sys/class/powercap"
_ZONE = re.compile(r"(intel-rapl(?:-[a-z]+)?)((?::[0-9]+)+)")


@dataclass(frozen=True, slots=True)
class EnergyDomain:
    """One meter: the memory of one socket."""

    name: str
    energy_uj: int
    """Microjoules since some time; begins again at 0 after ``max_energy_uj``."""
    max_energy_uj: int


def dram_domains(tree: Tree) -> tuple[EnergyDomain, ...]:
    """Return the meters of DRAM; none where the CPU has none.

    Raises:
        NoPermissionError: energy is told to root alone.
        KernelFileError: one of the files does not hold what it should.
    """
    found: dict[str, list[EnergyDomain]] = {}
    for name in tree.names(_POWERCAP):
        match = _ZONE.fullmatch(name)
        if match and tree.read_if_present(f"{_POWERCAP}/{name}/name") == "dram":
            domain = _domain(tree, name)
            if domain is not None:
                found.setdefault(match[1], []).append(domain)
    # Another interface, such as intel-rapl-mmio, shows the same meters once more.
    return tuple(found[min(found)]) if found else ()


class DramEnergy:
    """Adds up what all DRAM has used since it was made, over wrap-around.

    A meter of 262 kJ at 20 W begins again every 3.6 hours: ask more often than that. A meter
    that appears later counts from then on.
    """

    def __init__(self, tree: Tree) -> None:
        """Note where the meters are; raises what :func:`dram_domains` does."""
        self._tree = tree
        self._last = dram_domains(tree)
        self._used_uj = 0

    def used_uj(self) -> int | None:
        """Return microjoules since the start, or None where nothing measures them.

        Raises what :func:`dram_domains` does.
        """
        before = {domain.name: domain for domain in self._last}
        self._last = dram_domains(self._tree)
        for domain in self._last:
            earlier = before.get(domain.name, domain)
            come_uj = domain.energy_uj - earlier.energy_uj
            self._used_uj += come_uj if come_uj >= 0 else come_uj + domain.max_energy_uj
        return self._used_uj if self._last else None


def _domain(tree: Tree, name: str) -> EnergyDomain | None:
    energy_uj = number(tree, f"{_POWERCAP}/{name}/energy_uj")
    max_energy_uj = number(tree, f"{_POWERCAP}/{name}/max_energy_range_uj")
    if energy_uj is None or not max_energy_uj:
        return None
    return EnergyDomain(name, energy_uj, max_energy_uj)
