"""What acts on memory beside DAMON's schemes, asked for, limited and counted as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar


class Request(Protocol):
    """What is wanted of one actor, with its limits; as a ``Scheme`` is for DAMON."""

    @property
    def key(self) -> str:
        """Tells actors apart: of two requests with one key, the later replaces the earlier."""


_Asked = TypeVar("_Asked", bound=Request, contravariant=True)


@dataclass(frozen=True, slots=True)
class ActorStats:
    """What an actor has done since it was made, counted as in ``SchemeStats``.

    ``nr_held_back`` counts how often it stood still because its floor or the pressure said no,
    ``qt_exceeds`` how often it had more to do than it may in one reset interval.
    ``last_failure`` is one line, and empty where nothing has failed.
    """

    nr_tried: int = 0
    sz_tried_bytes: int = 0
    nr_applied: int = 0
    sz_applied_bytes: int = 0
    nr_failed: int = 0
    nr_held_back: int = 0
    qt_exceeds: int = 0
    last_failure: str = ""


class Actor(Protocol[_Asked]):
    """Follows its request a little at a time, and never further than its limits.

    Whatever fails on the way is counted and tried again later, less and less often; only
    ``check`` and ``release`` raise.
    """

    @property
    def stats(self) -> ActorStats:
        """What it has done."""

    def check(self) -> None:
        """Refuse what this host cannot do, changing nothing.

        Raises:
            DamonMissingError: names the file that is missing, and how to get it.
            NoPermissionError: names the file that cannot be written.
        """

    def apply(self, request: _Asked) -> None:
        """Follow another request from now on."""

    def advance(self, now_us: int) -> None:
        """Do at most what the limits allow at ``now_us``, the kernel's monotonic time."""

    def release(self) -> None:
        """End what is underway and put back everything that this actor changed.

        Raises:
            NotRestoredError: names what is left and the commands that mend it.
        """
