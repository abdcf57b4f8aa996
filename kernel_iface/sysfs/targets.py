"""Processes come and go; what was learned of the others stays."""

from __future__ import annotations

from collections.abc import Sequence

from damon_tuner.kernel_iface.host import Target


def without_obsolete(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Return the targets that are to be monitored."""
    return tuple(target for target in targets if not target.is_obsolete)


def passage(
    before: Sequence[Target], after: Sequence[Target], live_pid: int
) -> tuple[Target, ...] | None:
    """Return the targets to commit on the way from ``before`` to ``after``, if there are any.

    The kernel pairs old and new targets by index, so one that goes would hand its regions to
    the next. Marked as obsolete, at its old place, it goes alone. The kernel looks its process
    up all the same: it gets one that is alive. None where a plain commit does as well: nothing
    goes, those that stay change places, or there are no processes.
    """
    if any(target.pid is None for target in (*before, *after)):
        return None
    pids = {target.pid for target in after}
    staying = [target.pid for target in before if target.pid in pids]
    if len(staying) == len(before) or staying != [t.pid for t in after[: len(staying)]]:
        return None
    coming = iter(after)
    kept = tuple(
        next(coming) if target.pid in pids else Target(live_pid, is_obsolete=True)
        for target in before
    )
    return (*kept, *coming)


def hands_regions_on(before: Sequence[Target], after: Sequence[Target]) -> bool:
    """Tell whether a plain commit gives regions of one process to another."""
    pairs = zip(before, after, strict=False)
    return any(old.pid != new.pid for old, new in pairs)
