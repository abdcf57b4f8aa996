"""What it takes to come from the running state of a kdamond to the wanted one."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

from damon_tuner.kernel_iface.host import GoalMetric, KdamondSpec, Scheme

# Not the metric: only a commit checks whether it goes with the operations set.
_GOAL_VALUE = re.compile(r"contexts/0/schemes/\d+/quotas/goals/\d+/(?!target_metric)")


class Effort(enum.StrEnum):
    """From the least to the most; ``held back`` is a commit that has to wait."""

    NOTHING = "nothing"
    FILES = "files"
    GOALS = "goals"
    COMMIT = "commit"
    HELD_BACK = "held back"


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done for one kdamond.

    ``written`` are files as ``path=text``. What was held back goes with the next change, or by
    itself, from ``due_us`` of the host's clock on. ``note`` tells what this kernel could not do.
    """

    effort: Effort = Effort.NOTHING
    written: tuple[str, ...] = ()
    due_us: int = 0
    note: str = ""


def effort_for(changed: Sequence[str]) -> Effort:
    """Return the least that makes the kernel take up files, given their paths."""
    if not changed:
        return Effort.NOTHING
    if all(path == "refresh_ms" for path in changed):
        return Effort.FILES
    taken_at_once = all(_GOAL_VALUE.match(path) or path == "refresh_ms" for path in changed)
    return Effort.GOALS if taken_at_once else Effort.COMMIT


def hold_us(effort: Effort, running: KdamondSpec) -> int:
    """Return how long to leave between two changes of the running schemes.

    Quotas are looked at once a reset interval. A change starts a goal that follows pressure
    anew, and makes its next evaluation neutral: with changes at every interval it never moves.
    Other goals can be changed at any time, unless they share a kdamond with such a goal.
    """
    quotas = [
        s.quota for s in running.schemes if s.quota.goals or s.quota.sz_bytes or s.quota.time_ms
    ]
    if effort is Effort.GOALS:
        quotas = [
            quota
            for quota in quotas
            if any(goal.metric is GoalMetric.SOME_MEM_PSI_US for goal in quota.goals)
        ]
    return max((quota.reset_interval_ms for quota in quotas), default=0) * 1_000


def can_wait(running: KdamondSpec, wanted: KdamondSpec) -> bool:
    """Tell whether only values differ: who asks for other schemes or targets wants them now."""
    return (
        [_kind(scheme) for scheme in running.schemes] == [_kind(s) for s in wanted.schemes]
        and running.context.targets == wanted.context.targets
        and running.context.operations == wanted.context.operations
        and running.context.is_paused == wanted.context.is_paused
    )


def _kind(scheme: Scheme) -> tuple[object, ...]:
    return scheme.action, scheme.target_nid, scheme.dests
