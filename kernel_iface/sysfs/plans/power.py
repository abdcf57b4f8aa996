"""Memory that nobody needs is taken offline, and clocks are capped, where the host has either."""

from __future__ import annotations

from typing import Any

from damon_tuner.errors import DamonMissingError, NoPermissionError
from damon_tuner.kernel_iface.host import U64_MAX
from damon_tuner.kernel_iface.sysfs.actors.actor import Actor, ActorStats
from damon_tuner.kernel_iface.sysfs.actors.clocks import ClocksRequest, MemoryClocks
from damon_tuner.kernel_iface.sysfs.actors.memory_blocks import BlocksRequest, MemoryBlocks
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.observe.table import word
from damon_tuner.kernel_iface.sysfs.tree import Tree

_FULL_PERMILLE = 1_000

# How long the memory that is filling up may go unwatched while blocks are offline: it is looked
# at often enough that a quarter of the spare memory is used up between two looks, at most.
_LONGEST_S, _SHORTEST_S = 1.0, 0.1
_UNWATCHED_SHARE = 0.25

# What may be promised is then counted from what is online: allocations would be refused at once.
_OVERCOMMIT = "proc/sys/vm/overcommit_memory"
_STRICT = "2"
_NOT_STRICTLY = (
    f"/{_OVERCOMMIT} is {_STRICT}: memory that is offline could not be promised to anybody; "
    "set it to 0 or 1, or leave memory online"
)


class Power:
    """Follows how much memory is to stay online and free, and how fast it may be clocked."""

    def __init__(self, tree: Tree, ledger: Ledger) -> None:
        self._tree = tree
        self._ledger = ledger
        self._blocks: MemoryBlocks | None = None
        self._clocks: MemoryClocks | None = None
        self._spare_bytes = 0
        self.missing: dict[str, str] = {}
        """Why this host cannot do what was asked for, by ``memory_blocks`` and ``clocks``."""

    @property
    def offline_bytes(self) -> int:
        """What is offline now because of us."""
        return self._blocks.offline_bytes if self._blocks else 0

    def offlinable_bytes(self) -> int:
        """What more could go offline; raises what ``Tree`` raises."""
        now_us = self._tree.kernel.now_us()
        if self._blocks is None:
            self._follow_blocks(BlocksRequest(0, 0))
        return self._blocks.offlinable_bytes(now_us) if self._blocks else 0

    def stats(self) -> dict[str, ActorStats]:
        """What was done about blocks and clocks, by the names that ``missing`` has."""
        actors = {"memory_blocks": self._blocks, "clocks": self._clocks}
        return {name: actor.stats for name, actor in actors.items() if actor is not None}

    def ask(self, spare_bytes: int | None, clock_cap: float | None) -> None:
        """Keep so much memory online and free, and clocks at a share of their speed.

        None puts back what was done. Nothing moves before ``advance``. Raises
        ``NotRestoredError``.
        """
        self._ask_blocks(spare_bytes)
        self._ask_clocks(clock_cap)

    def advance(self, now_us: int) -> float | None:
        """Do a little; return in how many seconds at most to come again, None: no matter when."""
        if self._clocks is not None:
            self._clocks.advance(now_us)
        if self._blocks is None:
            return None
        self._blocks.advance(now_us)
        if not self.offline_bytes:
            return None
        unwatched_bytes = self._spare_bytes * _UNWATCHED_SHARE
        filling = max(self._blocks.filling_bytes_per_s, 1.0)
        return min(max(unwatched_bytes / filling, _SHORTEST_S), _LONGEST_S)

    def stop(self) -> None:
        """Bring everything back; raises ``NotRestoredError``."""
        self.ask(None, None)

    def _ask_blocks(self, spare_bytes: int | None) -> None:
        if spare_bytes is not None:
            self._spare_bytes = spare_bytes
            self._follow_blocks(BlocksRequest(U64_MAX, spare_bytes, ahead_s=_LONGEST_S))
        elif self._blocks is not None:
            self._blocks.release()
            self._blocks = None

    def _follow_blocks(self, request: BlocksRequest) -> None:
        if word(self._tree, _OVERCOMMIT) == _STRICT:
            self.missing["memory_blocks"] = _NOT_STRICTLY
        if self._blocks is None and "memory_blocks" not in self.missing:
            self._blocks = MemoryBlocks(self._tree, self._ledger, request)
            if not self._is_there("memory_blocks", self._blocks):
                self._blocks = None
        if self._blocks is not None:
            self._blocks.apply(request)

    def _ask_clocks(self, cap: float | None) -> None:
        if cap is not None:
            permille = min(max(round(cap * _FULL_PERMILLE), 0), _FULL_PERMILLE)
            self._follow_clocks(ClocksRequest(permille))
        elif self._clocks is not None:
            self._clocks.release()
            self._clocks = None

    def _follow_clocks(self, request: ClocksRequest) -> None:
        if self._clocks is None and "clocks" not in self.missing:
            self._clocks = MemoryClocks(self._tree, self._ledger, request)
            if not self._is_there("clocks", self._clocks):
                self._clocks = None
        if self._clocks is not None:
            self._clocks.apply(request)

    def _is_there(self, name: str, actor: Actor[Any]) -> bool:
        try:
            actor.check()
        except (DamonMissingError, NoPermissionError) as error:
            self.missing[name] = str(error)
        return name not in self.missing
