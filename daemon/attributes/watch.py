"""Look at a host again and again, without any scheme, and keep what its snapshots say."""

from __future__ import annotations

from collections.abc import Callable

from damon_tuner.errors import TargetGoneError
from damon_tuner.kernel_iface.host import Host, Snapshot
from damon_tuner.signals import Stopped


def watch(
    host: Host,
    on_snapshot: Callable[[Snapshot], None],
    *,
    seconds: float,
    interval_s: float,
) -> str:
    """Monitor ``host`` for so long, or until a signal or the process's end; it is put back.

    Returns why it ended early, or nothing. What a signal or an exit cuts short is of use.

    Raises:
        TunerError: the host cannot be monitored.
    """
    nr_seen = 0
    try:
        host.start(())
        for _ in range(max(round(seconds / interval_s), 1)):
            host.advance(interval_s)
            on_snapshot(host.snapshot())
            nr_seen += 1
    except (Stopped, KeyboardInterrupt):
        if not nr_seen:
            raise
        return "stopped by a signal"
    except TargetGoneError as error:
        if not nr_seen:
            raise
        return str(error)
    finally:
        # Twice, because a signal may arrive just before the first; there is only one that raises.
        try:
            host.stop()
        finally:
            host.stop()
    return ""
