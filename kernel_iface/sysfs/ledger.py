"""What was changed on the host, and how to put it back."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from damon_tuner.errors import (
    DamonBusyError,
    LeftoverError,
    NotRestoredError,
    TakenOverError,
    TunerError,
)
from damon_tuner.kernel_iface.sysfs.claim import ANY_FRAME, claim, is_kdamond_state
from damon_tuner.kernel_iface.sysfs.journal import STATE_DIR, Journal, read_journal
from damon_tuner.kernel_iface.sysfs.put_back import Fate, Outcome, put_back
from damon_tuner.kernel_iface.sysfs.records import (
    Back,
    Change,
    Claim,
    Entry,
    Record,
    Written,
    this_process,
)
from damon_tuner.kernel_iface.sysfs.slow_write import SlowWrite
from damon_tuner.kernel_iface.sysfs.tree import Tree, settled
from damon_tuner.signals import signals_held


class Ledger:
    """Remembers each change before making it, and takes them back in reverse order.

    With ``folder``, what it remembers is in a journal there before the change is made. A file is
    only written again while it holds what this ledger wrote: what somebody else has put there
    since is theirs, and is left alone.
    """

    def __init__(self, tree: Tree, folder: Path | None = None) -> None:
        self._tree = tree
        self._folder = folder
        self._journal: Journal | None = None
        self._written = Written()
        # What each file showed after its last change: whatever else it shows is not ours.
        self._shown: dict[str, str] = {}

    @property
    def changes(self) -> tuple[Change, ...]:
        """What would be put back now, oldest first; one change a file."""
        return tuple(
            Change(entry.path, entry.before, entry.ours[-1], entry.undo)
            for entry in self._written.entries.values()
        )

    @property
    def claimed(self) -> Claim | None:
        """The kdamonds that were switched on through this ledger."""
        return self._written.claim

    def take_up(self, written: Written) -> None:
        """Answer for what another process changed, as its journal says."""
        self._written = written
        self._journal = self._new_journal()

    def write(self, path: str, text: str, *, undo: str | None = None) -> None:
        """Write ``text`` to a file and remember what it held; ``undo`` is as in ``Change``.

        Raises:
            TakenOverError: somebody else changed the file since this ledger did.
            LeftoverError: a killed run has left changes that are not put back.
            JournalError: the journal cannot be written; the file was not changed.
            TunerError: what ``Tree`` raises.
        """
        change = self._noted(path, text, undo)
        if change is not None:
            self._tree.write(path, text)
            self._note_as_shown(change)
            if is_kdamond_state(path):
                self.claim_kdamonds()

    def start_write(self, path: str, text: str, *, undo: str, timeout_s: float) -> SlowWrite:
        """Begin a write that may take long, and remember what the file held.

        Where it fails, ``put_back`` forgets the change. Raises what ``write`` raises.
        """
        self._noted(path, text, undo)
        return self._tree.start_write(path, text, timeout_s)

    def claim_kdamonds(self, *, in_change: bool = False) -> None:
        """Remember what tells the kdamonds, as they are now, from anybody else's.

        While what they are told to monitor is ``in_change``, only their number and those that
        run tell.
        """
        claimed = claim(self._tree)
        self._note(replace(claimed, frame=ANY_FRAME) if in_change else claimed)

    def put_back(self, *paths: str) -> None:
        """Put some files back, in this order; raises what ``restore`` raises."""
        entries = (self._written.entries.get(path) for path in paths)
        _complain(self._put_back([entry for entry in entries if entry is not None]))

    def restore(self) -> None:
        """Put everything back; may be called again, and then tries what failed before.

        Raises:
            NotRestoredError: names each file that still differs and the commands that mend it.
            JournalError: all is put back, but the journal that says otherwise cannot be removed.
        """
        _complain(self.put_all_back())

    def put_all_back(self, *, dry_run: bool = False) -> list[Outcome]:
        """Do what ``restore`` does, or only look, and say of each file what comes of it."""
        return self._put_back([*reversed(self._written.entries.values())], dry_run=dry_run)

    def _put_back(self, entries: list[Entry], *, dry_run: bool = False) -> list[Outcome]:
        outcomes = []
        with signals_held():
            for outcome in put_back(self._tree, entries, self.claimed, dry_run=dry_run):
                outcomes.append(outcome)
                if not dry_run and outcome.fate is not Fate.STUCK:
                    self._forget(outcome.path)
            if not dry_run and not self._written.entries:
                self._close()
        return outcomes

    def _noted(self, path: str, text: str, undo: str | None) -> Change | None:
        """Note a change before it is made; None when the file holds ``text`` already."""
        held = settled(lambda: self._tree.read(path), f"/{path}")
        switches = is_kdamond_state(path)
        # A kdamond switches itself off when the process that it watches is gone.
        if not switches and held != self._shown.get(path, held):
            raise TakenOverError(
                f"/{path} was set to {self._shown[path]} here and is {held} now: somebody else "
                "wrote there, and it is left alone; start again when they have finished"
            )
        if held == text:
            return None
        if switches:
            self.claim_kdamonds()
        entry = self._written.entries.get(path)
        change = Change(path, held, text, undo)
        if entry is not None:
            change = Change(path, entry.before, text, entry.undo if undo is None else undo)
        # Before it is made: an interrupt between the two must not lose the way back.
        self._note(change)
        self._shown.pop(path, None)
        return change

    def _note(self, record: Record) -> None:
        if self._journal is None and self._folder is not None:
            refuse_leftover(self._tree, self._folder)
            self._journal = self._new_journal()
        if self._journal is not None:
            self._journal.note(record, self._written)
        self._written.add(record)

    def _new_journal(self) -> Journal | None:
        if self._folder is None:
            return None
        return Journal(self._folder, this_process(self._tree))

    def _note_as_shown(self, change: Change) -> None:
        """Some files show another text than they were given: Y for 1, or the nearest possible."""
        shown = self._tree.read_if_present(change.path)
        if shown is None:
            return
        if shown == change.before:
            return self._forget(change.path)
        if shown != change.after:
            self._note(replace(change, after=shown))
        self._shown[change.path] = shown

    def _forget(self, path: str) -> None:
        # A full disk must not keep the host from being put back.
        with contextlib.suppress(TunerError):
            self._note(Back(path))
        self._written.add(Back(path))
        self._shown.pop(path, None)

    def _close(self) -> None:
        self._written = Written()
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.remove()


def refuse_leftover(tree: Tree, folder: Path) -> None:
    """Check that nobody has left this boot of the kernel changed.

    Raises:
        LeftoverError: a killed run has; says how to put it back.
        DamonBusyError: a run that is alive has.
        JournalError: the journal cannot be read.
    """
    written = read_journal(folder)
    if written is None or (not written.entries and not written.damaged):
        return
    owner = written.owner
    if owner is not None and owner.booted_since(tree):
        return
    if owner is not None and owner.is_alive(tree):
        raise DamonBusyError(
            f"another damon-tuner (process {owner.pid}) manages this host: stop it first"
        )
    option = "" if folder == Path("/") / STATE_DIR else f" --state-dir {folder}"
    raise LeftoverError(
        "a damon-tuner was killed here, and what it changed is not put back: "
        f"run damon-tuner restore{option}"
    )


def _complain(outcomes: Sequence[Outcome]) -> None:
    stuck = [outcome for outcome in outcomes if outcome.fate is Fate.STUCK]
    taken = [outcome for outcome in outcomes if outcome.fate is Fate.TAKEN]
    parts = []
    if stuck:
        by_hand = "; ".join(f"echo {outcome.way_back} > /{outcome.path}" for outcome in stuck)
        reasons = "; ".join(outcome.reason for outcome in stuck)
        parts.append(
            f"could not put back what was changed: {reasons}. "
            f"As root: damon-tuner restore, or {by_hand}"
        )
    if taken:
        named = "; ".join(
            f"/{outcome.path} was {outcome.before}, now {outcome.held}" for outcome in taken
        )
        parts.append(f"left alone, because somebody else wrote there: {named}")
    if parts:
        raise NotRestoredError(". ".join(parts))
