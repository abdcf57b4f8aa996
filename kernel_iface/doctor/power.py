"""Memory that can be switched off, clocks that can be lowered, and the energy that it saves."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from damon_tuner.kernel_iface.doctor.finding import Verdict, missing, ok
from damon_tuner.kernel_iface.energy import dram_power
from damon_tuner.kernel_iface.sysfs.observe.blocks import memory_blocks
from damon_tuner.kernel_iface.sysfs.observe.clocks import clocks
from damon_tuner.kernel_iface.sysfs.observe.energy import dram_domains
from damon_tuner.kernel_iface.sysfs.tree import Tree
from damon_tuner.units import size_text

_GIB = 1 << 30


def blocks(tree: Tree) -> Verdict:
    """Tell which memory blocks can go offline."""
    means = "memory that nobody uses cannot be switched off"
    found = memory_blocks(tree)
    if not found:
        return missing(
            "the kernel has no memory blocks",
            means=means,
            remedy="use a kernel built with CONFIG_MEMORY_HOTPLUG and CONFIG_MEMORY_HOTREMOVE",
        )
    size = size_text(found[0].size_bytes)
    movable = [block for block in found if block.movable]
    offline = [block for block in found if not block.online]
    facts: dict[str, object] = {
        "block_bytes": found[0].size_bytes,
        "blocks": len(found),
        "movable": [block.number for block in movable],
        "offline": [block.number for block in offline],
        "zones": dict(Counter(" ".join(block.zones) or "none" for block in found)),
    }
    if not movable:
        return missing(
            f"none of {len(found)} blocks of {size} is movable",
            means=means,
            remedy="boot with movablecore=SIZE, or plug memory in with "
            "memhp_default_state=online_movable",
            **facts,
        )
    says = f"{len(movable)} of {len(found)} blocks of {size}, {len(offline)} are offline"
    return ok(says, **facts)


def caps(tree: Tree) -> Verdict:
    """Tell which clocks on the way to memory can be capped."""
    found = clocks(tree)
    if not found:
        return missing(
            "no clock of memory can be capped",
            means="memory runs at full speed when nobody needs it",
            remedy="load intel_uncore_frequency, or the devfreq driver of the memory controller; "
            "virtual machines have none",
        )
    said = ", ".join(
        f"{clock.name} ({clock.lowest_khz // 1000} to {clock.highest_khz // 1000} MHz)"
        for clock in found
    )
    return ok(said, clocks=[asdict(clock) for clock in found])


def energy(tree: Tree) -> Verdict:
    """Tell whether the energy of DRAM is measured."""
    found = dram_domains(tree)
    if not found:
        power = dram_power()
        saved_mw = round(1e3 * (power.used_w(_GIB) - power.used_w(_GIB, _GIB)), 1)
        return missing(
            "no meter of DRAM",
            means=f"what is saved in energy is estimated, not measured: {saved_mw:g} mW for a GiB "
            f"that is offline, by the profile {power.profile}",
            remedy="load intel_rapl_msr, on a server whose CPU meters DRAM",
            saved_mw_per_gib=saved_mw,
            profile=power.profile,
        )
    names = [domain.name for domain in found]
    return ok(f"{len(found)} meters of DRAM", domains=names)
