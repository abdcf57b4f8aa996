"""Takes memory blocks offline and brings them back, so that the hardware behind can rest."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from damon_tuner.errors import DamonMissingError, NotRestoredError, TunerError
from damon_tuner.kernel_iface.host import U64_MAX
from damon_tuner.kernel_iface.sysfs.actors.actor import ActorStats
from damon_tuner.kernel_iface.sysfs.actors.back_off import BackOff
from damon_tuner.kernel_iface.sysfs.actors.block_choice import BlockChoice
from damon_tuner.kernel_iface.sysfs.actors.filling import Filling
from damon_tuner.kernel_iface.sysfs.actors.pace import Allowance, Pace
from damon_tuner.kernel_iface.sysfs.actors.strain import Strain
from damon_tuner.kernel_iface.sysfs.actors.tally import Tally
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.observe.blocks import (
    MEMORY,
    MemoryBlock,
    block_size_bytes,
    memory_block,
    memory_blocks,
)
from damon_tuner.kernel_iface.sysfs.observe.memory import memory
from damon_tuner.kernel_iface.sysfs.slow_write import SlowWrite
from damon_tuner.kernel_iface.sysfs.tree import Tree
from damon_tuner.signals import signals_held

# "online" lets the kernel choose the zone, and it chooses another one when the block was at the
# border of its zone, or the last in it.
BACK_ONLINE = "online_movable"

_CANCEL_S = 10.0

_USUAL_PACE = Pace(1, 10_000)

_WHY = {
    errno.EBUSY: "it holds pages that cannot be moved",
    errno.EAGAIN: "its pages could not be moved now",
    errno.ENOMEM: "its pages have nowhere to go",
    errno.EINVAL: "it has holes, or lies in several zones",
    errno.ETIMEDOUT: "it was not empty within its time limit",
}


@dataclass(frozen=True, slots=True)
class BlocksRequest:
    """Keep ``offline_bytes`` of memory offline, rounded down to whole blocks.

    Blocks that somebody else took offline neither count nor are touched.
    """

    offline_bytes: int
    floor_free_bytes: int
    """Free memory (MemFree) that must be left. With less, blocks come back at once; one goes
    only where one block more than this stays free."""
    ceiling_bytes: int = U64_MAX
    """Never more than this offline, whatever is asked for."""
    psi_some_permille: int = 10
    """No block goes while tasks wait for memory for a larger share of the time."""
    pace: Pace = _USUAL_PACE
    """In blocks that are tried; blocks that come back are not limited."""
    timeout_s: float = 30.0
    """How long one block may take to become empty."""
    ahead_s: float = 0.0
    """Memory that is filling up counts as free as it will be in so many seconds."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense (``ValueError``)."""
        if min(self.offline_bytes, self.floor_free_bytes, self.ceiling_bytes) < 0:
            raise ValueError("bytes of memory blocks cannot be negative")
        if self.timeout_s <= 0:
            raise ValueError("a memory block needs a time limit above 0 s")
        if self.ahead_s < 0:
            raise ValueError("blocks come back ahead by 0 s or more")

    @property
    def key(self) -> str:
        """There is one actor for all blocks."""
        return "memory_blocks"


class MemoryBlocks:
    """Movable blocks only, the emptiest first, one at a time; back in reverse order."""

    def __init__(self, tree: Tree, ledger: Ledger, request: BlocksRequest) -> None:
        self._tree = tree
        self._ledger = ledger
        self._request = request
        self._strain = Strain(tree, "proc/pressure/memory")
        self._back_off: BackOff[int] = BackOff()
        self._allowance = Allowance()
        self._tally = Tally()
        self._choice = BlockChoice(tree)
        self._filling = Filling(tree)
        self._offline: list[MemoryBlock] = []
        self._leaving: tuple[MemoryBlock, SlowWrite] | None = None

    @property
    def stats(self) -> ActorStats:
        """What it has done; bytes are those of blocks that went offline, or were to."""
        return self._tally.stats(self._allowance.nr_exceeds)

    @property
    def offline_bytes(self) -> int:
        """What is offline now because of this actor."""
        return sum(block.size_bytes for block in self._offline)

    @property
    def filling_bytes_per_s(self) -> float:
        """How fast memory filled up lately; 0 where it does not."""
        return self._filling.bytes_per_s

    def offlinable_bytes(self, now_us: int) -> int:
        """What else could go offline: movable, and has not just refused. Raises as ``Tree``."""
        taken = {block.number for block in self._offline}
        if self._leaving is not None:
            taken.add(self._leaving[0].number)
        return sum(
            block.size_bytes
            for block in self._choice.movable(now_us)
            if block.number not in taken and not self._back_off.rests(block.number, now_us)
        )

    @property
    def nr_failures(self) -> dict[int, int]:
        """How often each block that did not go the last time has failed in a row, by number."""
        return {number: failed.nr for number, failed in self._back_off.failures.items()}

    def check(self) -> None:
        """Refuse a host without movable blocks or pressure, and one where they are not ours."""
        if not self._tree.exists(MEMORY):
            raise DamonMissingError(
                f"this kernel cannot take memory offline: /{MEMORY} does not exist; use a kernel "
                "built with CONFIG_MEMORY_HOTPLUG and CONFIG_MEMORY_HOTREMOVE"
            )
        movable = [block for block in memory_blocks(self._tree) if block.movable]
        if not movable:
            raise DamonMissingError(
                f"no block in /{MEMORY} holds movable memory only (valid_zones): boot with "
                "movablecore=SIZE, or add memory with memhp_default_state=online_movable"
            )
        self._tree.require_writable(_state(movable[0]))
        self._strain.check()

    def apply(self, request: BlocksRequest) -> None:
        """Follow another request from now on; nothing moves before ``advance``."""
        self._request = request

    def advance(self, now_us: int) -> None:
        """See to the block that is leaving; or bring blocks back; or begin to take one."""
        calm = self._strain.calm(self._request.psi_some_permille, now_us)
        try:
            self._filling.look(now_us)
            if self._leaving is not None:
                self._see_off(*self._leaving, calm, now_us)
                # Those that are needed back do not wait for the next look.
                if self._leaving is None:
                    self._return_those_needed()
            else:
                self._follow(calm, now_us)
        except TunerError as error:
            self._tally.failed(str(error))

    def release(self) -> None:
        """Bring every block back; raises ``NotRestoredError`` for those that stay offline."""
        left = []
        if self._leaving is not None:
            try:
                self._call_off(*self._leaving)
            except TunerError as error:
                left.append(str(error))
        for block in reversed(tuple(self._offline)):
            try:
                self._bring_back(block)
            except TunerError as error:
                left.append(str(error))
        if left:
            raise NotRestoredError("; ".join(left))

    @property
    def _wanted_bytes(self) -> int:
        return min(self._request.offline_bytes, self._request.ceiling_bytes)

    def _too_little_free(self) -> bool:
        return self._free_soon_bytes() < self._request.floor_free_bytes

    def _free_soon_bytes(self) -> float:
        coming_bytes = self._filling.bytes_per_s * self._request.ahead_s
        return memory(self._tree).free_bytes - coming_bytes

    def _see_off(self, block: MemoryBlock, write: SlowWrite, calm: bool, now_us: int) -> None:
        welcome = self.offline_bytes + block.size_bytes <= self._wanted_bytes
        if welcome and calm and not self._too_little_free():
            result = write.poll()
        else:
            result = write.cancel(0)
        if result is not None:
            self._ended(block, result, now_us)

    def _call_off(self, block: MemoryBlock, write: SlowWrite) -> None:
        if (result := write.cancel(_CANCEL_S)) is None:
            raise NotRestoredError(
                f"/{_state(block)} is busy: write {BACK_ONLINE} to it when it is not"
            )
        self._ended(block, result, self._tree.kernel.now_us())

    def _ended(self, block: MemoryBlock, result: int, now_us: int) -> None:
        # First, because a block of which this is not known must not be taken for one that stayed.
        found = memory_block(self._tree, block.number, block.size_bytes)
        self._leaving = None
        if found is not None and found.state == "offline":
            self._offline.append(block)
            self._back_off.succeeded(block.number)
            self._tally.applied(block.size_bytes)
            return
        self._ledger.put_back(_state(block))
        if result == errno.EINTR:
            self._tally.held_back()
        else:
            self._failed(block, result, now_us)

    def _failed(self, block: MemoryBlock, result: int, now_us: int) -> None:
        # Holes and zones stay as they are.
        self._back_off.failed(block.number, now_us, for_good=result == errno.EINVAL)
        name = errno.errorcode.get(result, str(result))
        self._tally.failed(
            f"memory block {block.number} did not go offline ({name}): "
            f"{_WHY.get(result, 'the kernel gives no reason')}"
        )

    def _follow(self, calm: bool, now_us: int) -> None:
        self._return_those_needed()
        size_bytes = block_size_bytes(self._tree) or U64_MAX
        nr_missing = (self._wanted_bytes - self.offline_bytes) // size_bytes
        if nr_missing <= 0:
            return
        # One block more than the floor: what goes now must not have to come back at once.
        least_bytes = self._request.floor_free_bytes + 2 * size_bytes
        if not calm or self._free_soon_bytes() < least_bytes:
            self._tally.held_back()
        elif self._allowance.left(self._request.pace, nr_missing, now_us):
            self._take_one(now_us)

    def _return_those_needed(self) -> None:
        self._forget_what_others_brought_back()
        while self._offline and (
            self.offline_bytes > self._wanted_bytes or self._too_little_free()
        ):
            self._bring_back(self._offline[-1])

    def _take_one(self, now_us: int) -> None:
        block = self._choice.next(lambda number: not self._back_off.rests(number, now_us), now_us)
        if block is None:
            return
        self._allowance.charge(1)
        self._tally.tried(block.size_bytes)
        try:
            # A child that nobody knows of could not be stopped.
            with signals_held():
                write = self._ledger.start_write(
                    _state(block), "offline", undo=BACK_ONLINE, timeout_s=self._request.timeout_s
                )
                self._leaving = block, write
        except TunerError:
            self._back_off.failed(block.number, now_us)
            self._ledger.put_back(_state(block))
            raise

    def _bring_back(self, block: MemoryBlock) -> None:
        path = _state(block)
        try:
            self._ledger.put_back(path)
        finally:
            if all(change.path != path for change in self._ledger.changes):
                self._offline.remove(block)
        found = memory_block(self._tree, block.number, block.size_bytes)
        if found is not None and found.online and not found.movable:
            self._tally.failed(f"memory block {block.number} came back in {found.zones}")

    def _forget_what_others_brought_back(self) -> None:
        for block in tuple(self._offline):
            found = memory_block(self._tree, block.number, block.size_bytes)
            if found is None or found.online:
                self._ledger.put_back(_state(block))
                self._offline.remove(block)


def _state(block: MemoryBlock) -> str:
    return f"{MEMORY}/memory{block.number}/state"
