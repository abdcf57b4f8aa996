"""A memory block that this takes offline comes back when it stops."""

from __future__ import annotations

import time

from damon_tuner.kernel_iface.sysfs.actors import BlocksRequest, MemoryBlocks, Pace
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.observe.blocks import memory_blocks
from damon_tuner.kernel_iface.sysfs.tree import Tree

_NR_BLOCKS = 2
# what boot put into movable memory may stay there: such blocks rest, and others are tried
_FLOOR_BYTES = 256 << 20
_LIMIT_S = 60.0
_PACE = Pace(1, 100)


def measure() -> dict[str, object]:
    """Take two blocks offline, stop, and compare all blocks with what they were."""
    tree = Tree(LocalKernel())
    ledger = Ledger(tree)
    before = memory_blocks(tree)
    request = BlocksRequest(_NR_BLOCKS * before[0].size_bytes, _FLOOR_BYTES, pace=_PACE)
    actor = MemoryBlocks(tree, ledger, request)
    actor.check()
    began = time.monotonic()
    try:
        while actor.offline_bytes < request.offline_bytes and time.monotonic() < began + _LIMIT_S:
            actor.advance(tree.kernel.now_us())
            time.sleep(0.1)
        offline_bytes, took_s = actor.offline_bytes, time.monotonic() - began
        seen = sum(block.size_bytes for block in memory_blocks(tree) if not block.online)
    finally:
        actor.release()
        ledger.restore()
    return {
        "offline_bytes": offline_bytes,
        "seen_offline_bytes": seen,
        "offline_s": round(took_s, 2),
        "restored": memory_blocks(tree) == before,
        "nr_failed": actor.stats.nr_failed,
        "last_failure": actor.stats.last_failure,
    }
