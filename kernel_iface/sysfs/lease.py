"""Schemes that stop by themselves when nobody renews them any more (Linux 7.0 and newer).

DAMON counts how often a scheme has walked its target to the end, and stops the scheme at
``max_nr_snapshots`` walks. Here that number is always a lease ahead of the count. Where a walk
ends at every apply interval, it is a time. A scheme whose quota is full stops in the midst of a
walk and goes on there in the next window: only the walk that comes to the end is counted. What it
is granted is therefore what it was seen to do in a lease, and at least one walk.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from damon_tuner.kernel_iface.host import Action, Intervals, Scheme, SchemeStats

LEASE_S = 60.0
"""How long schemes go on when nobody renews them, where their walks end."""

# A decision that comes late must not let the schemes stop meanwhile.
_LEASED_INTERVALS = 6

LEASE_FILE = "contexts/0/schemes/0/stats/max_nr_snapshots"
"""What a kernel with leases has, below the directory of a kdamond."""

# A scheme that keeps using up its grant while its owner is alive is granted too little by an
# unknown factor: it may be this much faster.
_GROWTH = 8

_RENEWALS_PER_LEASE = 3


def lease_for(interval_s: float) -> float:
    """Return how long leases last that are renewed once an interval, in seconds."""
    return max(LEASE_S, _LEASED_INTERVALS * interval_s)


@dataclass(slots=True)
class _Grant:
    """What one scheme may walk to, and the counts seen in the last lease with their times.

    ``last_walk_us`` is when the count was first seen as it is, and ``pause_us`` how long it had
    stood before that.
    """

    max_nr_snapshots: int
    walks: int
    renewed_us: int
    last_walk_us: int
    pause_us: int = 0
    seen: deque[tuple[int, int]] = field(default_factory=deque)


class Lease:
    """Grants each scheme of one kdamond the walks that it makes in ``lease_s`` seconds."""

    def __init__(self, lease_s: float = LEASE_S) -> None:
        self._lease_us = lease_s * 1e6
        self._grants: list[_Grant] = []

    def last(self, lease_s: float) -> None:
        """Have leases last so long from the next renewal on."""
        self._lease_us = lease_s * 1e6

    def observe(self, stats: Sequence[SchemeStats], now_us: int) -> None:
        """Take the statistics of the running schemes, in their order, into account."""
        for grant, stat in zip(self._grants, stats, strict=False):
            seen = grant.seen
            if seen and stat.nr_snapshots < seen[-1][1]:
                seen.clear()  # monitoring has started anew
            if seen and stat.nr_snapshots > seen[-1][1]:
                grant.pause_us, grant.last_walk_us = now_us - grant.last_walk_us, now_us
            seen.append((now_us, stat.nr_snapshots))
            # One older than the lease stays, so that the time between is at least the lease.
            while len(seen) > 2 and seen[1][0] <= now_us - self._lease_us:
                seen.popleft()

    def is_overdue(self, now_us: int) -> bool:
        """Tell whether two thirds of a lease have passed without a renewal."""
        late_us = self._lease_us * 2 / _RENEWALS_PER_LEASE
        return any(now_us - grant.renewed_us >= late_us for grant in self._grants)

    def granted(
        self,
        schemes: Sequence[Scheme],
        intervals: Intervals,
        now_us: int,
        *,
        nr_targets: int = 1,
    ) -> tuple[Scheme, ...]:
        """Return ``schemes`` with their walks limited; renews at most a few times a lease.

        ``nr_targets`` is how many targets the context has: each is a walk of its own.
        Schemes that only count (``stat``) are left as they are, and a lower limit of a scheme's
        own stays.
        """
        del self._grants[len(schemes) :]
        leased = []
        for index, scheme in enumerate(schemes):
            most = self._most_walks(scheme, intervals) * nr_targets
            if index == len(self._grants):
                self._grants.append(_Grant(most, most, now_us, now_us))
            grant = self._grants[index]
            if self._needs_renewal(grant, now_us):
                self._renew(grant, most, now_us)
            leased.append(_limited(scheme, grant.max_nr_snapshots))
        return tuple(leased)

    def _needs_renewal(self, grant: _Grant, now_us: int) -> bool:
        if not grant.seen:
            return False
        # The first grant knew nothing of the scheme: it is looked at as soon as can be.
        is_first = grant.renewed_us < grant.seen[0][0] and len(grant.seen) > 1
        is_old = now_us - grant.renewed_us >= self._lease_us / _RENEWALS_PER_LEASE
        return is_first or is_old or self._is_used_up(grant)

    def _is_used_up(self, grant: _Grant) -> bool:
        return bool(grant.seen) and grant.seen[-1][1] >= grant.max_nr_snapshots

    def _renew(self, grant: _Grant, most: int, now_us: int) -> None:
        count = grant.seen[-1][1]
        if self._is_used_up(grant):
            # A walk after a long pause does not tell that the next one is near.
            is_rare = grant.pause_us >= self._lease_us / _RENEWALS_PER_LEASE
            walks = 1 if is_rare else grant.walks * _GROWTH
            grant.seen = deque([grant.seen[-1]])
        else:
            walks = self._walks_in_lease(grant, most)
        grant.walks = min(max(walks, 1), most)
        grant.max_nr_snapshots = count + grant.walks
        grant.renewed_us = now_us

    def _walks_in_lease(self, grant: _Grant, most: int) -> int:
        (then_us, before), (now_us, after) = grant.seen[0], grant.seen[-1]
        if now_us == then_us:
            return most
        return math.ceil((after - before) * self._lease_us / (now_us - then_us))

    def _most_walks(self, scheme: Scheme, intervals: Intervals) -> int:
        interval_us = scheme.apply_interval_us or intervals.aggr_us
        return max(math.ceil(self._lease_us / max(interval_us, 1)), 1)


def _limited(scheme: Scheme, max_nr_snapshots: int) -> Scheme:
    if scheme.action is Action.STAT:
        return scheme
    own = scheme.max_nr_snapshots
    return replace(scheme, max_nr_snapshots=min(own or max_nr_snapshots, max_nr_snapshots))
