"""What ``damon-tuner restore`` does: puts back what a killed run has left changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from damon_tuner.errors import DamonBusyError, TunerError
from damon_tuner.kernel_iface.sysfs.journal import (
    JOURNAL,
    discard_journal,
    keep_copy,
    read_journal,
)
from damon_tuner.kernel_iface.sysfs.kernel import Kernel
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.lock import take_lock
from damon_tuner.kernel_iface.sysfs.put_back import Fate, Outcome
from damon_tuner.kernel_iface.sysfs.records import Written
from damon_tuner.kernel_iface.sysfs.tree import Tree
from damon_tuner.kernel_iface.tracing.instance import leftover, remove_leftover

LEFT_ALONE = 3
NOT_RESTORED = 4
"""Exit statuses: something belongs to somebody else now; something could not be put back."""

_NOTHING = "nothing to put back: no damon-tuner was killed on this host"
_REBOOTED = (
    "nothing to put back: the host has booted since, and what was changed is gone with the kernel "
    "that ran then"
)


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of each file, the last changed first.

    ``note`` is what else there is to say, and ``is_damaged`` says that it is about changes that
    are not known.
    """

    outcomes: tuple[Outcome, ...] = ()
    note: str = ""
    is_damaged: bool = False
    dry_run: bool = False

    @property
    def status(self) -> int:
        """The exit status: 0 when everything is as it was."""
        fates = {outcome.fate for outcome in self.outcomes}
        if Fate.STUCK in fates or self.is_damaged:
            return NOT_RESTORED
        return LEFT_ALONE if Fate.TAKEN in fates else 0

    @property
    def summary(self) -> str:
        """One sentence on the whole."""
        counts = {fate: sum(outcome.fate is fate for outcome in self.outcomes) for fate in Fate}
        told = ", ".join(f"{count} {fate}" for fate, count in counts.items() if count)
        verb = "would be" if self.dry_run else "files"
        return "; ".join([f"{verb}: {told}"] * bool(told) + [self.note] * bool(self.note))

    def lines(self) -> Iterator[str]:
        """Say it to people."""
        for outcome in self.outcomes:
            yield _line(outcome)
        yield self.summary

    def json_lines(self) -> Iterator[str]:
        """Say it to programs: one object a file, and one on the whole."""
        for outcome in self.outcomes:
            yield json.dumps(asdict(outcome))
        yield json.dumps({"summary": self.summary, "status": self.status})


def restore(
    kernel: Kernel, folder: Path, *, dry_run: bool = False, traces: Path | None = None
) -> Restored:
    """Put back what the journal in ``folder`` says, or with ``dry_run`` only tell what would be.

    Below the root ``traces``, a trace instance that a run has left is removed too. May be killed
    and called again at any time.

    Raises:
        DamonBusyError: the damon-tuner that made the changes is alive.
        JournalError: the journal cannot be read or written, or not be trusted.
        NoPermissionError: not root.
    """
    tree = Tree(kernel)
    unlock = take_lock(kernel, folder)
    try:
        written = read_journal(folder)
        # The lock says as much, unless somebody has removed its file.
        if written is not None and written.owner is not None and written.owner.is_alive(tree):
            raise DamonBusyError(
                f"process {written.owner.pid} made these changes and is alive: stop it, and it "
                "puts them back"
            )
        removed = () if traces is None else tuple(_remove_trace(traces, dry_run))
        if written is None:
            return Restored(removed, "" if removed else _NOTHING, dry_run=dry_run)
        done = _restore(tree, folder, written, dry_run)
        return replace(done, outcomes=(*removed, *done.outcomes))
    finally:
        unlock()


def _restore(tree: Tree, folder: Path, written: Written, dry_run: bool) -> Restored:
    if written.owner is not None and written.owner.booted_since(tree):
        if not dry_run:
            discard_journal(folder)
        return Restored((), _REBOOTED, dry_run=dry_run)
    note = ""
    if written.damaged:
        copy = folder / JOURNAL if dry_run else keep_copy(folder)
        numbers = ", ".join(map(str, written.damaged))
        note = f"lines {numbers} of {copy} are damaged: what they changed is not known"
    ledger = Ledger(tree, folder)
    ledger.take_up(written)
    outcomes = tuple(ledger.put_all_back(dry_run=dry_run))
    if not dry_run and not ledger.changes:
        discard_journal(folder)
    if not outcomes and not note:
        note = "nothing to put back: it was killed before it changed anything"
    return Restored(outcomes, note, bool(written.damaged), dry_run)


def _remove_trace(root: Path, dry_run: bool) -> Iterator[Outcome]:
    """The trace has a name of its own, and needs no journal."""
    path = leftover(root)
    if path is None:
        return
    outcome = Outcome(str(path.relative_to(root)), Fate.RESTORED, "absent", "", "a trace")
    try:
        if not dry_run:
            remove_leftover(root)
    except TunerError as error:
        outcome = replace(outcome, fate=Fate.STUCK, reason=str(error))
    yield outcome


def _line(outcome: Outcome) -> str:
    where = f"/{outcome.path}: {outcome.fate}"
    if outcome.fate is Fate.RESTORED:
        return f"{where}, {outcome.held} -> {outcome.before}"
    if outcome.fate is Fate.TAKEN:
        return f"{where} at {outcome.held} (was {outcome.before}): {outcome.reason}"
    return f"{where}: {outcome.reason}" if outcome.reason else where
