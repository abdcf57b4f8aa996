"""What was changed on the host, and how to put it back."""

from __future__ import annotations

from dataclasses import dataclass

from damon_tuner.errors import NotRestoredError, TunerError
from damon_tuner.kernel_iface.sysfs.tree import Tree
from damon_tuner.signals import signals_held


@dataclass(frozen=True, slots=True)
class Change:
    """A file that held ``before`` and was given ``after``."""

    path: str
    before: str
    after: str


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

    def write(self, path: str, text: str) -> None:
        """Write ``text`` to a file and remember what it held; raises what ``Tree`` raises."""
        change = Change(path, self._tree.read(path), text)
        if change.before == change.after:
            return
        # Noted first: an interrupt between the two lines must not lose the way back.
        self._changes.append(change)
        self._tree.write(path, text)

    def restore(self) -> None:
        """Put everything back; may be called again, and then tries what failed before.

        Raises:
            NotRestoredError: names each file that still differs and the commands that mend it.
        """
        stuck: list[tuple[Change, str]] = []
        taken: list[str] = []
        with signals_held():
            for change in reversed(self._changes):
                self._restore_one(change, stuck, taken)
        if stuck or taken:
            raise NotRestoredError(_complaint(stuck, taken))

    def _restore_one(
        self, change: Change, stuck: list[tuple[Change, str]], taken: list[str]
    ) -> None:
        try:
            held = self._tree.read_if_present(change.path)
            if held == change.after:
                self._tree.write(change.path, change.before)
        except TunerError as error:
            stuck.append((change, str(error)))
            return
        self._changes.remove(change)
        if held not in (None, change.before, change.after):
            taken.append(f"/{change.path} was {change.before}, now {held}")


def _complaint(stuck: list[tuple[Change, str]], taken: list[str]) -> str:
    parts = []
    if stuck:
        by_hand = "; ".join(f"echo {change.before} > /{change.path}" for change, _ in stuck)
        reasons = "; ".join(reason for _, reason in stuck)
        parts.append(f"could not put back what was changed: {reasons}. As root: {by_hand}")
    if taken:
        parts.append(f"left alone, because somebody else wrote there: {'; '.join(taken)}")
    return ". ".join(parts)
