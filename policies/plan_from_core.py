"""Plans that the decision path's C code made, as the hosts take them."""

from __future__ import annotations

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Dest,
    Filter,
    FilterType,
    GoalMetric,
    GoalTuner,
    Quota,
    QuotaGoal,
    Scheme,
)
from damon_tuner.kernel_iface.plan import Plan


def plan_from_core(core: _core._Plan) -> Plan:
    """Make a ``Plan`` of what ``Decider.act`` returns."""
    return Plan(
        schemes=tuple(map(_scheme, core["schemes"])),
        promote=core["promote"] and _scheme(core["promote"]),
        demote=core["demote"] and _scheme(core["demote"]),
        spare_bytes=core["spare_bytes"],
        clock_cap=core["clock_cap"],
    )


def _scheme(flat: _core._FlatScheme) -> Scheme:
    return Scheme(
        action=Action(flat["action"]),
        pattern=AccessPattern(
            min_sz_bytes=flat["min_sz_bytes"],
            max_sz_bytes=flat["max_sz_bytes"],
            min_nr_accesses=flat["min_nr_accesses"],
            max_nr_accesses=flat["max_nr_accesses"],
            min_age=flat["min_age"],
            max_age=flat["max_age"],
        ),
        quota=Quota(
            sz_bytes=flat["sz_bytes"],
            reset_interval_ms=flat["reset_interval_ms"],
            weight_sz_permille=flat["weight_sz_permille"],
            weight_nr_accesses_permille=flat["weight_nr_accesses_permille"],
            weight_age_permille=flat["weight_age_permille"],
            goal_tuner=GoalTuner(flat["goal_tuner"]),
            goals=tuple(
                QuotaGoal(GoalMetric(metric), target_value=target, nid=nid)
                for metric, target, nid in flat["goals"]
            ),
        ),
        filters=tuple(
            Filter(FilterType(kind), matching, allow, addr_start=start, addr_end=end)
            for kind, matching, allow, start, end in flat["filters"]
        ),
        dests=tuple(Dest(nid, weight) for nid, weight in flat["dests"]),
    )
