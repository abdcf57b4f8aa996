"""How much memory calibration may use, and how often it repeats."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePosixPath

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles

LEAST_MIB = 8
_DEFAULT_MIB = 2048
_QUICK_MIB = 64
_CACHE = "sys/devices/system/cpu/cpu0/cache"


@dataclass(frozen=True, slots=True)
class Limits:
    """``max_bytes`` is what all areas may have together at one time."""

    max_bytes: int
    repeats: int
    accesses: int
    """Reads in one timing of random access."""
    last_cache_bytes: int | None
    """Size of the largest cache, where the kernel tells it."""
    cpus: int

    def exceeds_caches(self, size_bytes: int) -> bool:
        """Tell whether reads of so much memory mostly miss every cache."""
        return self.last_cache_bytes is not None and size_bytes >= 4 * self.last_cache_bytes


def limits(max_mib: int | None = None, *, quick: bool = False, files: HostFiles) -> Limits:
    """Bounds for this host: a quarter of what is available, at most 2 GiB, or ``max_mib``.

    Raises:
        TunerError: ``max_mib`` is more than the host, or this process's cgroup, has to spare.

    """
    available_mib = _available_bytes(files) >> 20
    if max_mib is None:
        max_mib = min(_QUICK_MIB if quick else _DEFAULT_MIB, available_mib // 4)
    if max_mib > available_mib // 2:
        raise TunerError(
            f"--max-mib {max_mib} is more than half of the {available_mib} MiB available: "
            "give less, or stop something"
        )
    if max_mib < LEAST_MIB:
        raise TunerError(
            f"calibration needs {LEAST_MIB} MiB of memory, and may use {max_mib}: "
            "give a larger --max-mib, or stop something"
        )
    return Limits(
        max_bytes=max_mib << 20,
        repeats=3 if quick else 7,
        accesses=1 << 17 if quick else 1 << 20,
        last_cache_bytes=_last_cache_bytes(files),
        cpus=len(os.sched_getaffinity(0)),
    )


def power_of_two_at_most(size: int) -> int:
    """The largest power of two that does not exceed ``size``, which is at least 1."""
    return 1 << (size.bit_length() - 1)


def _available_bytes(files: HostFiles) -> int:
    memory = files.fields("proc/meminfo")
    available = memory.get("MemAvailable", memory.get("MemFree", 0)) << 10
    return min([available, *_cgroup_spare_bytes(files)])


def _cgroup_spare_bytes(files: HostFiles) -> list[int]:
    """What the cgroup of this process, and each above it, may still allocate."""
    lines = (files.text("proc/self/cgroup") or "").splitlines()
    own = [line.removeprefix("0::") for line in lines if line.startswith("0::")]
    spare = []
    for group in (PurePosixPath(own[0]), *PurePosixPath(own[0]).parents) if own else ():
        folder = f"sys/fs/cgroup/{str(group).lstrip('/')}"
        most = files.number(f"{folder}/memory.max")
        used = files.number(f"{folder}/memory.current")
        if most is not None and used is not None:
            spare.append(max(most - used, 0))
    return spare


def _last_cache_bytes(files: HostFiles) -> int | None:
    sizes = [files.text(f"{_CACHE}/{name}/size") or "" for name in files.names(_CACHE)]
    units = {"K": 10, "M": 20, "G": 30}
    known = [int(s[:-1]) << units[s[-1]] for s in sizes if s[:-1].isdigit() and s[-1] in units]
    return max(known, default=None)
