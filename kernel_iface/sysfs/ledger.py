"""What was changed on the host, and how to put it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from damon_tuner.errors import NotRestoredError, TunerError
from damon_tuner.kernel_iface.sysfs.slow_write import SlowWrite
from damon_tuner.kernel_iface.sysfs.tree import Tree
from damon_tuner.signals import signals_held


@dataclass(frozen=True, slots=True)
class Change:
    """A file that held ``before`` and was given ``after``.

    ``undo`` is what has to be written for the file to hold ``before`` again, where that is not
    ``before`` itself.
    """

    path: str
    before: str
    after: str
    undo: str | None = None

    @property
    def way_back(self) -> str:
        """What to write to put the file back."""
        return self.before if self.undo is None else self.undo


class Ledger:
    """Remembers each change before making it, and takes them back in reverse order.

    A file is only written again while it holds what this ledger wrote: what somebody else has
    put there since is theirs, and is left alone.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._changes: list[Change] = []

    @property
    def changes(self) -> tuple[Change, ...]:
        """What would be put back now, oldest first."""
        return tuple(self._changes)

    def write(self, path: str, text: str, *, undo: str | None = None) -> None:
        """Write ``text`` to a file and remember what it held; raises what ``Tree`` raises."""
        change = self._noted(path, text, undo)
        if change is not None:
            self._tree.write(path, text)
            self._join(change)

    def start_write(self, path: str, text: str, *, undo: str, timeout_s: float) -> SlowWrite:
        """Begin a write that may take long, and remember what the file held.

        Where it fails, ``put_back`` forgets the change. Raises what ``Tree`` raises.
        """
        self._noted(path, text, undo)
        return self._tree.start_write(path, text, timeout_s)

    def put_back(self, path: str) -> None:
        """Put one file back; raises ``NotRestoredError`` as ``restore`` does."""
        self._restore([change for change in self._changes if change.path == path])

    def restore(self) -> None:
        """Put everything back; may be called again, and then tries what failed before.

        Raises:
            NotRestoredError: names each file that still differs and the commands that mend it.
        """
        self._restore(self.changes)

    def _noted(self, path: str, text: str, undo: str | None) -> Change | None:
        change = Change(path, self._tree.read(path), text, undo)
        if change.before == change.after:
            return None
        # Noted first: an interrupt before the write must not lose the way back.
        self._changes.append(change)
        return change

    def _join(self, change: Change) -> None:
        """Make one change of two to the same file; only now is it sure that the second holds."""
        for index, earlier in enumerate(self._changes):
            if (earlier.path, earlier.after) == (change.path, change.before):
                self._changes[index] = joined = replace(earlier, after=change.after)
                self._changes.remove(change)
                if joined.before == joined.after:
                    self._changes.remove(joined)
                return

    def _restore(self, changes: Sequence[Change]) -> None:
        stuck: list[tuple[Change, str]] = []
        taken: list[str] = []
        with signals_held():
            for change in reversed(changes):
                self._restore_one(change, stuck, taken)
        if stuck or taken:
            raise NotRestoredError(_complaint(stuck, taken))

    def _restore_one(
        self, change: Change, stuck: list[tuple[Change, str]], taken: list[str]
    ) -> None:
        try:
            held = self._tree.read_if_present(change.path)
            if held == change.after:
                self._tree.write(change.path, change.way_back)
        except TunerError as error:
            stuck.append((change, str(error)))
            return
        self._changes.remove(change)
        if held not in (None, change.before, change.after):
            taken.append(f"/{change.path} was {change.before}, now {held}")


def _complaint(stuck: list[tuple[Change, str]], taken: list[str]) -> str:
    parts = []
    if stuck:
        by_hand = "; ".join(f"echo {change.way_back} > /{change.path}" for change, _ in stuck)
        reasons = "; ".join(reason for _, reason in stuck)
        parts.append(f"could not put back what was changed: {reasons}. As root: {by_hand}")
    if taken:
        parts.append(f"left alone, because somebody else wrote there: {'; '.join(taken)}")
    return ". ".join(parts)
