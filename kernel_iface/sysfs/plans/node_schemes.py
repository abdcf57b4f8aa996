"""What a plan's schemes for physical memory become on one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Filter,
    FilterType,
    GoalMetric,
    GoalTuner,
    Intervals,
    Quota,
    QuotaGoal,
    Scheme,
)

_OF_A_NODE = frozenset(
    {
        *(GoalMetric.NODE_MEM_USED_BP, GoalMetric.NODE_MEM_FREE_BP),
        *(GoalMetric.NODE_MEMCG_USED_BP, GoalMetric.NODE_MEMCG_FREE_BP),
        GoalMetric.NODE_ELIGIBLE_MEM_BP,
    }
)
_OF_A_GROUP = frozenset({GoalMetric.NODE_MEMCG_USED_BP, GoalMetric.NODE_MEMCG_FREE_BP})

# A page that is looked at and left alone, because it is another tenant's, costs about this share
# of one that is moved.
_LOOK_NUM, _LOOK_DENOM = 1, 64

# DAMOS does nothing while less than a page is left of a quota.
_NOTHING_BYTES = 1

_RESET_INTERVAL_MS = 1_000
_BP = 10_000


@dataclass(frozen=True, slots=True)
class NodeScheme:
    """One scheme of a node, whose it is, and which way it moves pages."""

    tenant: str
    is_promotion: bool
    scheme: Scheme


@dataclass(frozen=True, slots=True)
class Room:
    """What is left on a node for one tenant's promotion, above the margin that stays free."""

    total_bytes: int
    margin_bytes: int
    left_bytes: int


def toward(scheme: Scheme, target: int, goals_node: int, group: str = "") -> Scheme:
    """Return a scheme that moves pages to node ``target``, its goals those of ``goals_node``.

    Goals of a control group that name none get ``group``.
    """
    goals = tuple(
        replace(
            goal,
            nid=goals_node if goal.metric in _OF_A_NODE else goal.nid,
            memcg_path=group
            if goal.metric in _OF_A_GROUP and not goal.memcg_path
            else goal.memcg_path,
        )
        for goal in scheme.quota.goals
    )
    return replace(scheme, target_nid=target, quota=replace(scheme.quota, goals=goals))


def only_of(groups: Sequence[str], scheme: Scheme, *, charges_less: bool) -> Scheme:
    """Return the scheme for the pages of these control groups alone.

    DAMON takes each group for itself, without those below it. The filter comes before those of
    the scheme, so that other tenants' pages are not even asked whether they are young, which
    would clear their accessed bits. With several groups that cannot be said: young is asked
    first, and then each group is allowed. Where the kernel can (``charges_less``), pages that
    are left alone hardly use up the quota.

    Raises:
        ValueError: there are several groups, and a filter of the scheme allows something.
    """
    if len(groups) == 1:
        others = Filter(FilterType.MEMCG, matching=False, allow=False, memcg_path=groups[0])
        filters: tuple[Filter, ...] = (others, *scheme.filters)
    else:
        if any(item.allow for item in scheme.filters):
            raise ValueError("for several control groups, a scheme's own filters must refuse")
        allowed = (Filter(FilterType.MEMCG, True, True, memcg_path=group) for group in groups)
        filters = (*scheme.filters, *allowed)
    quota = scheme.quota
    if charges_less and not quota.fail_charge_denom:
        quota = replace(quota, fail_charge_num=_LOOK_NUM, fail_charge_denom=_LOOK_DENOM)
    return replace(scheme, filters=filters, quota=quota)


def refusing(scheme: Scheme) -> Scheme:
    """Return the same with its only filter turned into one that refuses: Linux 6.14 can allow.

    What an only filter allows is what its opposite does not refuse. Of several, nothing is said.
    """
    if len(scheme.filters) != 1 or not scheme.filters[0].allow:
        return scheme
    item = scheme.filters[0]
    return replace(scheme, filters=(replace(item, matching=not item.matching, allow=False),))


def at_intervals(scheme: Scheme, before: Intervals, after: Intervals) -> Scheme:
    """Return the scheme with its ages and samples counted at other monitoring intervals."""
    if before == after:
        return scheme
    pattern = scheme.pattern
    had, has = before.samples_per_aggregation, after.samples_per_aggregation
    return replace(
        scheme,
        pattern=replace(
            pattern,
            min_nr_accesses=-(-pattern.min_nr_accesses * has // had),
            max_nr_accesses=_scaled(pattern.max_nr_accesses, has, had, "max_nr_accesses"),
            min_age=-(-pattern.min_age * before.aggr_us // after.aggr_us),
            max_age=_scaled(pattern.max_age, before.aggr_us, after.aggr_us, "max_age"),
        ),
    )


def _scaled(most: int, by: int, of: int, name: str) -> int:
    is_open = most == getattr(AccessPattern(), name)
    return most if is_open else most * by // of


def guarded(scheme: Scheme, room: Room, *, is_by_kernel: bool) -> Scheme:
    """Return a promotion that leaves its target node what reclaim needs to be free there."""
    if is_by_kernel:
        scheme = until_full(scheme, room.total_bytes, room.margin_bytes)
    return within(scheme, room.left_bytes)


def within(scheme: Scheme, room_bytes: int) -> Scheme:
    """Return the scheme, moving no more in each reset interval than there is room for."""
    quota = scheme.quota
    most = max(room_bytes, _NOTHING_BYTES)
    if quota.sz_bytes and quota.sz_bytes <= most:
        return scheme
    interval_ms = quota.reset_interval_ms or _RESET_INTERVAL_MS
    limited = replace(quota, sz_bytes=most, reset_interval_ms=interval_ms)
    return replace(scheme, quota=limited)


def until_full(scheme: Scheme, total_bytes: int, margin_bytes: int) -> Scheme:
    """Return a promotion that the kernel itself ends while its target is all but full.

    A scheme whose quota has goals already is left to them.
    """
    quota = scheme.quota
    if quota.goals or not total_bytes:
        return scheme
    used_bp = max(_BP - -(-margin_bytes * _BP // total_bytes), 1)
    goal = QuotaGoal(GoalMetric.NODE_MEM_USED_BP, used_bp, nid=scheme.target_nid)
    return replace(scheme, quota=_tuned(quota, goal))


def _tuned(quota: Quota, goal: QuotaGoal) -> Quota:
    interval_ms = quota.reset_interval_ms or _RESET_INTERVAL_MS
    return replace(
        quota, goals=(goal,), goal_tuner=GoalTuner.TEMPORAL, reset_interval_ms=interval_ms
    )
