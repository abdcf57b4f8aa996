"""Which memory block goes offline next: the emptiest of those that can go."""

from __future__ import annotations

from collections.abc import Callable

from damon_tuner.kernel_iface.sysfs.actors.emptiness import used_permille
from damon_tuner.kernel_iface.sysfs.observe.blocks import (
    MemoryBlock,
    memory_block,
    memory_blocks,
)
from damon_tuner.kernel_iface.sysfs.tree import Tree

# Looking into a block takes a third of a millisecond, and a terabyte may have thousands.
_NR_LOOKED_INTO = 64

# Memory is seldom plugged in, and what has changed is seen before a block is chosen.
_LIST_HOLDS_US = 600_000_000


class BlockChoice:
    """Knows the movable blocks, and looks into a part of them each time, one after another.

    Where the kernel does not let it look into blocks, the one with the highest address goes.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._listed: tuple[MemoryBlock, ...] = ()
        self._listed_us: int | None = None
        self._first = 0

    def next(self, allowed: Callable[[int], bool], now_us: int) -> MemoryBlock | None:
        """Return a block that is movable now and whose number is ``allowed``; None: no such.

        Raises what ``Tree`` raises.
        """
        numbers = [block for block in self.movable(now_us) if allowed(block.number)]
        now = (memory_block(self._tree, b.number, b.size_bytes) for b in self._turn(numbers))
        movable = [block for block in now if block is not None and block.movable]
        return min(movable, key=self._rank, default=None)

    def movable(self, now_us: int) -> tuple[MemoryBlock, ...]:
        """Return the blocks that were movable when they were last listed, minutes ago at most.

        Raises what ``Tree`` raises.
        """
        if self._listed_us is None or now_us >= self._listed_us + _LIST_HOLDS_US:
            self._listed = tuple(b for b in memory_blocks(self._tree) if b.movable)
            self._listed_us = now_us
        return self._listed

    def _turn(self, blocks: list[MemoryBlock]) -> list[MemoryBlock]:
        if len(blocks) <= _NR_LOOKED_INTO:
            return blocks
        first = self._first % len(blocks)
        self._first = first + _NR_LOOKED_INTO
        return (blocks[first:] + blocks[:first])[:_NR_LOOKED_INTO]

    def _rank(self, block: MemoryBlock) -> tuple[int, int]:
        return used_permille(self._tree, block) or 0, -block.number
