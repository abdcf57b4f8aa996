"""One trace instance for several readers, each of which gets every page once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from damon_tuner.kernel_iface.tracing.aggregations import TracePages
from damon_tuner.kernel_iface.tracing.formats import EventFormat, PageLayout

# What nobody has asked for is dropped as the kernel's own buffer drops it: the oldest first.
_KEPT_PAGES = 256


class Trace(TracePages, Protocol):
    """A trace instance that is open, and records ``events``."""

    events: tuple[str, ...]

    def format(self, event: str) -> EventFormat:
        """Return the layout of ``system/event``; raises ``DamonMissingError``."""

    def close(self) -> None:
        """Stop recording; may be called any number of times."""


class SharedTrace:
    """Reads ``trace``, which it closes, for those that were given a :class:`Tap`."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._taps: list[Tap] = []

    def tap(self) -> Tap:
        """Return a way to read what nobody has read yet."""
        tap = Tap(self)
        self._taps.append(tap)
        return tap

    def distribute(self) -> None:
        """Take what was recorded out of the kernel, for everybody."""
        for cpu, pages in enumerate(self.trace.pages_by_cpu()):
            for tap in self._taps:
                tap.put(cpu, pages)

    def drop(self, tap: Tap) -> None:
        """Keep nothing for ``tap`` any more."""
        if tap in self._taps:
            self._taps.remove(tap)

    def close(self) -> None:
        """End the trace; may be called any number of times."""
        self._taps.clear()
        self.trace.close()


class Tap:
    """One reader's pages of a shared trace."""

    def __init__(self, shared: SharedTrace) -> None:
        self._shared = shared
        self._waiting: list[deque[bytes]] = []

    @property
    def layout(self) -> PageLayout:
        """Where things lie in a page."""
        return self._shared.trace.layout

    def format(self, event: str) -> EventFormat:
        """Return the layout of ``system/event``; raises ``DamonMissingError``."""
        return self._shared.trace.format(event)

    def pages_by_cpu(self) -> list[list[bytes]]:
        """Take what was recorded since the last call; the pages of each CPU in their order."""
        self._shared.distribute()
        taken = [list(pages) for pages in self._waiting]
        self._waiting.clear()
        return taken

    def put(self, cpu: int, pages: Sequence[bytes]) -> None:
        """Keep pages of one CPU until they are asked for."""
        while len(self._waiting) <= cpu:
            self._waiting.append(deque(maxlen=_KEPT_PAGES))
        self._waiting[cpu].extend(pages)

    def close(self) -> None:
        """Read no more; the trace goes on for the others."""
        self._waiting.clear()
        self._shared.drop(self)
