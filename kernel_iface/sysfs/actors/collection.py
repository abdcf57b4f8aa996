"""All actors of a host, asked for together as schemes are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from damon_tuner.errors import NotRestoredError, TunerError
from damon_tuner.kernel_iface.sysfs.actors.actor import Actor, ActorStats
from damon_tuner.kernel_iface.sysfs.actors.cgroup_reclaim import CgroupReclaim, ReclaimRequest
from damon_tuner.kernel_iface.sysfs.actors.clocks import ClocksRequest, MemoryClocks
from damon_tuner.kernel_iface.sysfs.actors.memory_blocks import BlocksRequest, MemoryBlocks
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.tree import Tree

ActorRequest = BlocksRequest | ClocksRequest | ReclaimRequest


class Actors:
    """Makes, feeds and releases actors, so that they are what was last asked for.

    A host that holds one calls ``check`` before it starts, ``apply`` where it applies schemes,
    ``advance`` each time it looks at the host, and ``release`` before it restores its ledger.
    """

    def __init__(self, tree: Tree, ledger: Ledger) -> None:
        self._tree = tree
        self._ledger = ledger
        self._actors: dict[str, Actor[Any]] = {}

    def check(self, requests: Sequence[ActorRequest]) -> None:
        """Refuse what this host cannot do, changing nothing; raises what ``Actor.check`` does."""
        for request in requests:
            _made(self._tree, self._ledger, request).check()

    def apply(self, requests: Sequence[ActorRequest]) -> None:
        """Follow these requests and no others; what is no longer asked for is put back.

        Raises:
            ValueError: two requests are for the same actor.
            DamonMissingError, NoPermissionError: of an actor that is new; nothing has changed.
            NotRestoredError: of an actor that is gone.
        """
        wanted = {request.key: request for request in requests}
        if len(wanted) < len(requests):
            raise ValueError("each actor takes one request: join those for the same one")
        fresh = [request for key, request in wanted.items() if key not in self._actors]
        self.check(fresh)
        self._release([key for key in self._actors if key not in wanted])
        for request in fresh:
            self._actors[request.key] = _made(self._tree, self._ledger, request)
        for key, request in wanted.items():
            self._actors[key].apply(request)

    def advance(self, now_us: int) -> None:
        """Let each actor do what its limits allow at ``now_us``."""
        for actor in self._actors.values():
            actor.advance(now_us)

    def stats(self) -> dict[str, ActorStats]:
        """Return what each actor has done, by the key of its request."""
        return {key: actor.stats for key, actor in self._actors.items()}

    def release(self) -> None:
        """Put back what every actor changed; may be called again, and then tries what failed.

        Raises:
            NotRestoredError: names what is left and the commands that mend it.
        """
        self._release(list(self._actors))

    def _release(self, keys: Sequence[str]) -> None:
        left = []
        for key in keys:
            try:
                self._actors[key].release()
            except TunerError as error:
                left.append(str(error))
            else:
                del self._actors[key]
        if left:
            raise NotRestoredError("; ".join(left))


def _made(tree: Tree, ledger: Ledger, request: ActorRequest) -> Actor[Any]:
    if isinstance(request, BlocksRequest):
        return MemoryBlocks(tree, ledger, request)
    if isinstance(request, ClocksRequest):
        return MemoryClocks(tree, ledger, request)
    return CgroupReclaim(tree, request)
