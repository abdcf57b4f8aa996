"""Memory blocks by plans: offline while memory is spare, and back before a process is refused any.

``python -m damon_tuner.benchmarks.kernel.power BYTES BYTES_PER_S`` is the process that grows.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time

from damon_tuner._core import action_of
from damon_tuner.benchmarks.kernel.load import Part, running
from damon_tuner.benchmarks.kernel.planned import PlannedTenants, planned_tenants
from damon_tuner.kernel_iface.energy import EnergyAccount, dram_power
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.observe.memory import memory
from damon_tuner.kernel_iface.sysfs.tree import Tree

_MIB = 1 << 20
_LIMIT_S = 90.0
_LOAD_CPU = 1
_TENANT = Part(32 * _MIB)
_SPARE_SHARE = 0.1
_GROWS_BYTES_PER_S = 48 * _MIB
_PIECE_BYTES = 2 * _MIB
# What the process that grows leaves: less than a block, so that it needs every block back.
_LEAVES_BYTES = 96 * _MIB

_GROUPS = ("power",)
_SPARING = {"spare_share": action_of("spare_share", _SPARE_SHARE), "clock_cap": 1.0}


def measure() -> dict[str, object]:
    """Let the host rest until no more blocks go, and then a process grow until it has them all."""
    tree = Tree(LocalKernel())
    energy = EnergyAccount(tree, dram_power())
    whole = memory(tree)
    with running((_TENANT,), _LOAD_CPU) as load, planned_tenants(_GROUPS) as tenants:
        tenants.add("tenant", load.pid, _SPARING, by_group=False)
        most, rested_s = _rest(tenants, tree, energy)
        grown = _grow(tenants, tree, whole.free_bytes - _TENANT.size_bytes - _LEAVES_BYTES)
        left_bytes = tenants.carrier.offline_bytes
        blocks = tenants.carrier.hardware()["memory_blocks"]
    return {
        "offline_bytes": most,
        "rested_s": rested_s,
        "spare_bytes": int(_SPARE_SHARE * whole.total_bytes),
        "grown": grown,
        "offline_after_bytes": left_bytes,
        "failed_blocks": blocks.nr_failed,
        "last_failure": blocks.last_failure,
        "back_online": memory(tree).total_bytes == whole.total_bytes,
        "clocks": tenants.carrier.missing.get("clocks", ""),
        "energy": energy.report().as_dict(),
    }


def _rest(tenants: PlannedTenants, tree: Tree, energy: EnergyAccount) -> tuple[int, float]:
    """Return how much went offline, and when the last of it did."""
    most, at_last_s = 0, 0.0

    def look(at_s: float) -> bool:
        nonlocal most, at_last_s
        offline = tenants.carrier.offline_bytes
        energy.look(tree.kernel.now_us(), memory(tree).total_bytes + offline, offline)
        if offline > most:
            most, at_last_s = offline, at_s
        return most > 0 and at_s > at_last_s + 25.0

    tenants.run(_LIMIT_S, look)
    return most, round(at_last_s, 1)


def _grow(tenants: PlannedTenants, tree: Tree, size_bytes: int) -> dict[str, object]:
    module = "damon_tuner.benchmarks.kernel.power"
    command = [sys.executable, "-m", module, str(size_bytes), str(_GROWS_BYTES_PER_S)]
    before, least = _refusals(tree), memory(tree).free_bytes
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:

        def look(at_s: float) -> bool:
            nonlocal least
            least = min(least, memory(tree).free_bytes)
            return process.poll() is not None

        tenants.run(2 * size_bytes / _GROWS_BYTES_PER_S, look)
        process.kill()
        assert process.stdout is not None
        told = process.stdout.read().split()
    return {
        "wanted_bytes": size_bytes,
        "got_bytes": int(told[0]) if told else 0,
        "bytes_per_s": round(float(told[1])) if told else 0,
        "least_free_bytes": least,
        "refusals": {name: value - before[name] for name, value in _refusals(tree).items()},
    }


def _refusals(tree: Tree) -> dict[str, int]:
    """How often the kernel had to make room for an allocation, and had none to give at all."""
    lines = (line.split() for line in tree.read("proc/vmstat").splitlines())
    found = {name: int(value) for name, value in lines}
    stalls = sum(value for name, value in found.items() if name.startswith("allocstall_"))
    return {"oom_kill": found["oom_kill"], "allocstall": stalls}


def main() -> None:
    """Grow steadily to a size, say how fast that was, and end.

    In pieces, as programs do: one mapping of more than what is online would be refused at once.
    """
    size_bytes, bytes_per_s = int(sys.argv[1]), int(sys.argv[2])
    os.sched_setaffinity(0, {_LOAD_CPU})
    filling, pieces = os.urandom(_PIECE_BYTES), []
    began = time.monotonic()
    for at in range(0, size_bytes // _PIECE_BYTES * _PIECE_BYTES, _PIECE_BYTES):
        piece = mmap.mmap(-1, _PIECE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        piece.write(filling)
        pieces.append(piece)
        ahead_s = at / bytes_per_s - (time.monotonic() - began)
        if ahead_s > 0:
            time.sleep(ahead_s)
    print(size_bytes, size_bytes / (time.monotonic() - began), flush=True)


if __name__ == "__main__":
    main()
