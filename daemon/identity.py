"""Whether a process is still the one that was meant: numbers are given to others again."""

from __future__ import annotations

import os
from pathlib import Path

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.records import start_ticks
from damon_tuner.kernel_iface.sysfs.tree import Tree

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

# A pid file is written by its process soon after its start; clocks differ by a little.
_SLACK_S = 5.0


class Identities:
    """Remembers when each process that was named by its number was started."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._first: dict[tuple[str, int], int] = {}

    def require_same(self, name: str, pid: int) -> None:
        """Check that ``pid`` is the process that it was when ``name`` was first looked for.

        Raises:
            TunerError: it is another one.
        """
        now = start_ticks(self._tree, pid)
        if now is not None and self._first.setdefault((name, pid), now) != now:
            raise TunerError(
                f"process {pid} has exited, and its number belongs to another one now: name the "
                "tenant by its unit, control group or pid file"
            )

    def require_older(self, pid: int, path: Path) -> None:
        """Check that the process was there when its pid file was written.

        Raises:
            TunerError: it began later, so that it is not the one that the file means.
        """
        began_s = self._began_unix_s(pid)
        try:
            written_s = path.stat().st_mtime
        except OSError:
            return
        if began_s is not None and began_s > written_s + _SLACK_S:
            raise TunerError(f"{path} is older than process {pid}, which is not the one it means")

    def _began_unix_s(self, pid: int) -> float | None:
        ticks = start_ticks(self._tree, pid)
        for line in (self._tree.read_if_present("proc/stat") or "").splitlines():
            words = line.split()
            if ticks is not None and len(words) == 2 and words[0] == "btime":
                return int(words[1]) + ticks / _TICKS_PER_S
        return None
