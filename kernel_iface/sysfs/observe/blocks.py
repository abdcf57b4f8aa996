"""Memory blocks: the pieces of physical memory that can be taken offline."""

from __future__ import annotations

import re
from dataclasses import dataclass

from damon_tuner.kernel_iface.sysfs.observe.table import number, word
from damon_tuner.kernel_iface.sysfs.tree import Tree

MEMORY = "sys/devices/system/memory"
_BLOCK = re.compile(r"memory([0-9]{1,9})")
_NODE = re.compile(r"node([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class MemoryBlock:
    """One block of ``size_bytes`` from physical address ``number * size_bytes``."""

    number: int
    size_bytes: int
    state: str
    """``online``, ``offline`` or ``going-offline``."""
    zones: tuple[str, ...]
    """The zone that it is in, or where it is offline the zones that it could be put in.

    Empty when it spans several, and where this kernel does not tell.
    """
    node: int | None
    """None where it is offline, on kernels that then do not tell, and when it spans several."""

    @property
    def online(self) -> bool:
        """Tell whether it is in use."""
        return self.state == "online"

    @property
    def movable(self) -> bool:
        """Tell whether it is online and holds only pages that can be moved away.

        The kernel calls others removable too, but one page of the kernel keeps them online.
        """
        return self.online and self.zones == ("Movable",)


def block_size_bytes(tree: Tree) -> int | None:
    """Return the size of every block, or None where this kernel cannot take memory offline."""
    return number(tree, f"{MEMORY}/block_size_bytes", base=16)


def memory_blocks(tree: Tree) -> tuple[MemoryBlock, ...]:
    """Return the blocks in order; none where this kernel cannot take memory offline.

    Raises:
        KernelFileError: one of the files does not hold what it should.
    """
    size = block_size_bytes(tree)
    if size is None:
        return ()
    numbers = (_BLOCK.fullmatch(name) for name in tree.names(MEMORY))
    found = (memory_block(tree, int(match[1]), size) for match in numbers if match)
    return tuple(sorted((b for b in found if b is not None), key=lambda block: block.number))


def memory_block(tree: Tree, number: int, size_bytes: int) -> MemoryBlock | None:
    """Return one block, or None where it has been unplugged; raises ``KernelFileError``."""
    folder = f"{MEMORY}/memory{number}"
    state = word(tree, f"{folder}/state")
    if state is None:
        return None
    zones = (tree.read_if_present(f"{folder}/valid_zones") or "").split()
    members = [_NODE.fullmatch(name) for name in tree.names(folder)]
    its_nodes = [int(match[1]) for match in members if match]
    return MemoryBlock(
        number=number,
        size_bytes=size_bytes,
        state=state,
        zones=tuple(zone for zone in zones if zone != "none"),
        node=its_nodes[0] if len(its_nodes) == 1 else None,
    )
