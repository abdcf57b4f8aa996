"""Memory blocks that are taken offline come back into their zone: at stop, and after a kill.

``python -m damon_tuner.benchmarks.kernel.blocks`` is the process that is killed: it takes blocks
offline, says so, and waits.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

from damon_tuner.cli import main as damon_tuner
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.actors import BlocksRequest, MemoryBlocks, Pace
from damon_tuner.kernel_iface.sysfs.journal import state_dir
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.lock import take_lock
from damon_tuner.kernel_iface.sysfs.observe.blocks import memory_blocks
from damon_tuner.kernel_iface.sysfs.tree import Tree

_NR_BLOCKS = 2
_FLOOR_BYTES = 128 << 20
_LIMIT_S = 60.0


def measure() -> dict[str, object]:
    """Take two blocks offline and bring them back, once by a stop and once by ``restore``."""
    tree = Tree(LocalKernel())
    before = memory_blocks(tree)
    began = time.monotonic()
    offline_bytes, seen_bytes = _stopped(tree)
    took_s = time.monotonic() - began
    by_stop = memory_blocks(tree) == before
    killed_bytes = _killed(tree)
    by_command = _restored() == 0 and memory_blocks(tree) == before
    return {
        "offline_bytes": offline_bytes,
        "seen_offline_bytes": seen_bytes,
        "offline_and_back_s": round(took_s, 2),
        "restored_by_stop": by_stop,
        "killed_with_offline_bytes": killed_bytes,
        "restored_by_command": by_command,
        "restored": by_stop and by_command and killed_bytes == offline_bytes,
    }


def _stopped(tree: Tree) -> tuple[int, int]:
    """Take blocks offline and stop; returns what the actor and the kernel said between."""
    ledger = Ledger(tree)
    try:
        actor = _taken(tree, ledger)
        said = actor.offline_bytes, _offline_bytes(tree)
        actor.release()
    finally:
        ledger.restore()
    return said


def _taken(tree: Tree, ledger: Ledger) -> MemoryBlocks:
    size_bytes = memory_blocks(tree)[0].size_bytes
    wanted = BlocksRequest(_NR_BLOCKS * size_bytes, _FLOOR_BYTES, pace=Pace(100, 1_000))
    actor = MemoryBlocks(tree, ledger, wanted)
    actor.check()
    deadline = time.monotonic() + _LIMIT_S
    while actor.offline_bytes < wanted.offline_bytes:
        if time.monotonic() > deadline:
            raise TunerError(f"the blocks did not go: {actor.stats}")
        actor.advance(tree.kernel.now_us())
        time.sleep(0.05)
    return actor


def _offline_bytes(tree: Tree) -> int:
    return sum(block.size_bytes for block in memory_blocks(tree) if not block.online)


def _killed(tree: Tree) -> int:
    """Kill a process that has taken blocks offline; returns how much it leaves offline."""
    command = [sys.executable, "-m", "damon_tuner.benchmarks.kernel.blocks"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    return _offline_bytes(tree)


def _restored() -> int:
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
        return damon_tuner(["restore"])


def main() -> None:
    """Take blocks offline, say so, and wait to be killed."""
    kernel = LocalKernel()
    tree = Tree(kernel)
    _unlock = take_lock(kernel, state_dir())
    _actor = _taken(tree, Ledger(tree, state_dir()))
    print("taken", flush=True)
    time.sleep(1e6)


if __name__ == "__main__":
    main()
