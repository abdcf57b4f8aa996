"""For how long each address was idle, and how often it was accessed, from snapshot to snapshot.

DAMON's own ages do not tell: whatever a scheme acts on begins anew at 0, and merged regions get
the mean of their ages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from damon_tuner.kernel_iface.host import Region, Snapshot

_MOST_PIECES = 250
# Neighbours that differ by less are one piece; the tolerance doubles until there are few enough.
_ALIKE = 0.05


class Piece(NamedTuple):
    """Addresses from ``start`` to ``end`` that were accessed alike, as far as was seen.

    ``averages`` are exponential means of whether it was accessed between two snapshots (1 or 0),
    one for each horizon. What was never seen idle counts as accessed before the first snapshot.
    """

    start: int
    end: int
    idle_s: float
    averages: tuple[float, ...]

    @property
    def bytes(self) -> int:
        """How large it is."""
        return self.end - self.start


class Access(NamedTuple):
    """``bytes`` were accessed again after ``idle_s`` seconds."""

    idle_s: float
    bytes: int


class AccessHistory:
    """Follows one tenant's addresses; each of ``horizons_s`` gives every piece an average."""

    def __init__(self, horizons_s: Sequence[float] = ()) -> None:
        self._horizons_s = tuple(horizons_s)
        self._time_us: int | None = None
        self.pieces: tuple[Piece, ...] = ()
        self.elapsed_s = 0.0

    def update(self, snapshot: Snapshot, acted_age_s: float = math.inf) -> list[Access]:
        """Take in a snapshot; return what was accessed since the last one, after having been idle.

        ``acted_age_s`` is the least age at which a scheme that runs acts: from there on, a young
        age tells of no access.
        """
        before, self._time_us = self._time_us, snapshot.time_us
        self.elapsed_s = 0.0 if before is None else max(snapshot.time_us - before, 0) / 1e6
        aggregation_s = snapshot.intervals.aggr_us / 1e6
        keep = tuple(math.exp(-self.elapsed_s / horizon_s) for horizon_s in self._horizons_s)
        accesses: list[Access] = []
        pieces: list[Piece] = []
        for start, end, region, old in _overlaps(self.pieces, snapshot.regions):
            age_s = region.age * aggregation_s
            if old is None:
                idle_s = 0.0 if region.nr_accesses else age_s
                pieces.append(Piece(start, end, idle_s, (1.0,) * len(keep)))
                continue
            now_s = old.idle_s + self.elapsed_s
            since_s = _accessed_since_s(region, age_s, now_s, self.elapsed_s, acted_age_s)
            is_accessed = since_s is not None
            if since_s is not None and old.idle_s > 0.0:
                accesses.append(Access(max(now_s - since_s, old.idle_s), end - start))
            idle_s = now_s if since_s is None else 0.0 if region.nr_accesses else since_s
            averages = tuple(
                share * average + (1.0 - share) * is_accessed
                for share, average in zip(keep, old.averages, strict=True)
            )
            pieces.append(Piece(start, end, idle_s, averages))
        self.pieces = _joined(pieces)
        return accesses


def _accessed_since_s(
    region: Region, age_s: float, now_s: float, elapsed_s: float, acted_age_s: float
) -> float | None:
    """How long ago the access between the snapshots began, or ended; None where there was none."""
    if region.nr_accesses:
        return min(age_s, elapsed_s)
    if age_s < elapsed_s and age_s < now_s and now_s < acted_age_s:
        return age_s
    return None


def _overlaps(
    pieces: Sequence[Piece], regions: Sequence[Region]
) -> Iterator[tuple[int, int, Region, Piece | None]]:
    """Each part of each region with the piece that was there; both are in order of address."""
    k = 0
    for region in regions:
        at = region.start
        while k < len(pieces) and pieces[k].end <= at:
            k += 1
        j = k
        while at < region.end:
            if j == len(pieces) or pieces[j].start >= region.end:
                yield at, region.end, region, None
                break
            piece = pieces[j]
            if at < piece.start:
                yield at, piece.start, region, None
                at = piece.start
            end = min(piece.end, region.end)
            yield at, end, region, piece
            at, j = end, j + 1


def _joined(pieces: list[Piece]) -> tuple[Piece, ...]:
    tolerance = _ALIKE
    joined = _join(pieces, tolerance)
    while len(joined) > _MOST_PIECES and tolerance < 1.0:
        tolerance *= 2.0
        joined = _join(joined, tolerance)
    return tuple(joined)


def _join(pieces: Sequence[Piece], tolerance: float) -> list[Piece]:
    joined: list[Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last is not None and last.end == piece.start and _alike(last, piece, tolerance):
            joined[-1] = _mean(last, piece)
        else:
            joined.append(piece)
    return joined


def _alike(a: Piece, b: Piece, tolerance: float) -> bool:
    if abs(a.idle_s - b.idle_s) > tolerance * max(a.idle_s, b.idle_s):
        return False
    return all(abs(x - y) <= tolerance for x, y in zip(a.averages, b.averages, strict=True))


def _mean(a: Piece, b: Piece) -> Piece:
    share = a.bytes / (a.bytes + b.bytes)
    return Piece(
        a.start,
        b.end,
        share * a.idle_s + (1.0 - share) * b.idle_s,
        tuple(share * x + (1.0 - share) * y for x, y in zip(a.averages, b.averages, strict=True)),
    )
