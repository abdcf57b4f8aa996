"""How a tenant's memory is used over time: in order or not, how often again, what together.

Told from the regions of consecutive snapshots alone, by the C code that the decision path runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias

from damon_tuner import _core
from damon_tuner.kernel_iface.host import MonitoringAttrs, Region, Snapshot

Pattern: TypeAlias = Literal["idle", "steady", "sequential", "irregular"]

REPORT_MONITORING = MonitoringAttrs(min_nr_regions=128, max_nr_regions=512)
"""How DAMON monitors for a report: regions no larger than the chunks that are told of."""

HEAT_CLASSES = ("idle", "rare", "warm", "hot")
"""As the observation has them, by the share of samples with an access."""

_WARM, _HOT = 0.1, 0.5


def heat_class(share: float) -> str:
    """The class of a share of samples with an access."""
    if share <= 0.0:
        return "idle"
    return "rare" if share <= _WARM else "warm" if share <= _HOT else "hot"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of memory, from ``start`` to ``end`` exclusive, and how it is used.

    ``bytes`` of it are monitored. ``heat`` is the mean share of DAMON's samples that found an
    access. ``reuse_s`` are mean seconds from the begin of one use to that of the next, 0 where it
    is always in use, None where it was not used twice. Chunks of one ``group`` begin to be used
    together. ``direction`` is 1 where it is swept to higher addresses, -1 to lower ones, else 0.
    """

    start: int
    end: int
    bytes: int
    heat: float
    pattern: Pattern
    reuse_s: float | None
    group: int | None
    direction: int

    @property
    def heat_class(self) -> str:
        """Its class of heat."""
        return heat_class(self.heat)


class Attributes:
    """What consecutive snapshots of one tenant say, over the last 256 of them."""

    def __init__(self) -> None:
        self._core = _core.Attributes()
        self._regions: Sequence[Region] = ()

    def update(self, snapshot: Snapshot) -> None:
        """Take in one more snapshot, of a host where no scheme acts on memory."""
        self._core.update(snapshot)
        self._regions = snapshot.regions

    def chunks(self) -> tuple[Chunk, ...]:
        """Each chunk of the history, by address."""
        return tuple(
            Chunk(
                start,
                end,
                round(monitored_bytes),
                heat,
                pattern,
                None if reuse_s < 0.0 else reuse_s,
                group or None,
                direction,
            )
            for (
                start,
                end,
                monitored_bytes,
                heat,
                pattern,
                reuse_s,
                group,
                direction,
            ) in self._core.chunks()
        )

    def ranges(self) -> tuple[Chunk, ...]:
        """What is monitored now, neighbours that are alike joined."""
        joined: list[Chunk] = []
        for piece in self._pieces():
            if joined and _alike(joined[-1], piece):
                joined[-1] = _join(joined[-1], piece)
            else:
                joined.append(piece)
        return tuple(joined)

    def features(self) -> Mapping[str, float]:
        """All memory together, as the observation has it."""
        return self._core.features()

    def _pieces(self) -> Iterator[Chunk]:
        """Chunks without what is not monitored; addresses may have holes inside of a chunk."""
        chunks = self.chunks()
        for start, end in _monitored(self._regions):
            for chunk in chunks:
                low, high = max(start, chunk.start), min(end, chunk.end)
                if low < high:
                    yield replace(chunk, start=low, end=high, bytes=high - low)


def _monitored(regions: Sequence[Region]) -> Iterator[tuple[int, int]]:
    """The ranges without holes that regions, which are in order, make up."""
    if not regions:
        return
    start = regions[0].start
    for before, after in pairwise(regions):
        if before.end != after.start:
            yield start, before.end
            start = after.start
    yield start, regions[-1].end


def _alike(a: Chunk, b: Chunk) -> bool:
    same = (a.pattern, a.direction) == (b.pattern, b.direction)
    # along a sweep, what is close begins together
    together = a.pattern == "sequential" or a.group == b.group
    # of what comes and goes the mean heat says little
    as_hot = a.pattern != "steady" or a.heat_class == b.heat_class
    return a.end == b.start and same and together and as_hot


def _join(a: Chunk, b: Chunk) -> Chunk:
    size = a.bytes + b.bytes
    reuse_s = a.reuse_s if b.reuse_s is None else b.reuse_s
    if a.reuse_s is not None and b.reuse_s is not None:
        reuse_s = (a.reuse_s * a.bytes + b.reuse_s * b.bytes) / size
    heat = (a.heat * a.bytes + b.heat * b.bytes) / size
    group = a.group if a.group == b.group else None
    return replace(a, end=b.end, bytes=size, heat=heat, reuse_s=reuse_s, group=group)
