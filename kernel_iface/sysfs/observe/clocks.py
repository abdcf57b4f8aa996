"""Clocks on the way to memory whose frequency can be capped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from damon_tuner.kernel_iface.sysfs.observe.table import number, whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

UNCORE = "sys/devices/system/cpu/intel_uncore_frequency"
DEVFREQ = "sys/class/devfreq"

# Devices are named after the hardware's address; others in this class are GPUs and storage.
_MEMORY_NAME = re.compile(r"memory|dmc|ddr|emc|mem-?ctrl|external-memory", re.IGNORECASE)
_HZ_PER_KHZ = 1000


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock, in kHz."""

    name: str
    kind: Literal["uncore", "devfreq"]
    cap_path: str
    """The file that holds the cap."""
    cap_khz: int
    lowest_khz: int
    highest_khz: int
    current_khz: int | None


def clocks(tree: Tree) -> tuple[Clock, ...]:
    """Return the clocks that can be capped; none on most virtual machines.

    Raises:
        KernelFileError: one of the files does not hold what it should.
    """
    uncore = (_uncore(tree, name) for name in tree.names(UNCORE))
    devices = (_device(tree, name) for name in tree.names(DEVFREQ) if _MEMORY_NAME.search(name))
    return tuple(clock for clock in (*uncore, *devices) if clock is not None)


def _uncore(tree: Tree, name: str) -> Clock | None:
    folder = f"{UNCORE}/{name}"
    cap_khz = number(tree, f"{folder}/max_freq_khz")
    lowest_khz = number(tree, f"{folder}/initial_min_freq_khz")
    highest_khz = number(tree, f"{folder}/initial_max_freq_khz")
    if cap_khz is None or lowest_khz is None or highest_khz is None:
        return None
    current_khz = number(tree, f"{folder}/current_freq_khz")
    path = f"{folder}/max_freq_khz"
    return Clock(name, "uncore", path, cap_khz, lowest_khz, highest_khz, current_khz)


def _device(tree: Tree, name: str) -> Clock | None:
    folder = f"{DEVFREQ}/{name}"
    path = f"{folder}/available_frequencies"
    steps_hz = [whole(word, path) for word in (tree.read_if_present(path) or "").split()]
    cap_hz = number(tree, f"{folder}/max_freq")
    current_hz = number(tree, f"{folder}/cur_freq")
    if not steps_hz or cap_hz is None:
        return None
    return Clock(
        name=name,
        kind="devfreq",
        cap_path=f"{folder}/max_freq",
        cap_khz=cap_hz // _HZ_PER_KHZ,
        lowest_khz=min(steps_hz) // _HZ_PER_KHZ,
        highest_khz=max(steps_hz) // _HZ_PER_KHZ,
        current_khz=None if current_hz is None else current_hz // _HZ_PER_KHZ,
    )
