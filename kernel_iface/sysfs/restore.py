"""What ``damon-tuner restore`` does: puts back what a killed run has left changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from damon_tuner.errors import DamonBusyError
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
from damon_tuner.kernel_iface.sysfs.records import Written, boot_id
from damon_tuner.kernel_iface.sysfs.tree import Tree

LEFT_ALONE = 3
NOT_RESTORED = 4
"""Exit statuses: something belongs to somebody else now; something could not be put back."""

_NOTHING = "nothing to put back: no damon-tuner was killed on this host"


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of each file, the last changed first, and a sentence on the whole."""

    summary: str
    outcomes: tuple[Outcome, ...] = ()
    damaged: tuple[int, ...] = ()

    @property
    def status(self) -> int:
        """The exit status: 0 when everything is as it was."""
        fates = {outcome.fate for outcome in self.outcomes}
        if Fate.STUCK in fates or self.damaged:
            return NOT_RESTORED
        return LEFT_ALONE if Fate.TAKEN in fates else 0

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


def restore(kernel: Kernel, folder: Path, *, dry_run: bool = False) -> Restored:
    """Put back what the journal in ``folder`` says, or with ``dry_run`` only tell what would be.

    May be killed and called again at any time.

    Raises:
        DamonBusyError: the damon-tuner that made the changes is alive.
        JournalError: the journal cannot be read or written, or not be trusted.
        NoPermissionError: not root.
    """
    tree = Tree(kernel)
    unlock = take_lock(kernel, folder)
    try:
        written = read_journal(folder)
        if written is None:
            return Restored(_NOTHING)
        # The lock says as much, unless somebody has removed its file.
        if written.owner is not None and written.owner.is_alive(tree):
            raise DamonBusyError(
                f"process {written.owner.pid} made these changes and is alive: stop it, and it "
                "puts them back"
            )
        return _restore(tree, folder, written, dry_run)
    finally:
        unlock()


def _restore(tree: Tree, folder: Path, written: Written, dry_run: bool) -> Restored:
    if written.owner is not None and written.owner.boot_id != boot_id(tree):
        if not dry_run:
            discard_journal(folder)
        return Restored(
            "nothing to put back: the host has booted since, and what was changed is gone with "
            "the kernel that ran then"
        )
    damaged = tuple(written.damaged)
    copy = keep_copy(folder) if damaged and not dry_run else folder / JOURNAL
    ledger = Ledger(tree, folder)
    ledger.take_up(written)
    outcomes = tuple(ledger.put_all_back(dry_run=dry_run))
    if not dry_run and not ledger.changes:
        discard_journal(folder)
    summary = _summary(outcomes, dry_run)
    if damaged:
        numbers = ", ".join(map(str, damaged))
        summary += f"; lines {numbers} of {copy} are damaged: what they changed is not known"
    return Restored(summary, outcomes, damaged)


def _line(outcome: Outcome) -> str:
    where = f"/{outcome.path}: {outcome.fate}"
    if outcome.fate is Fate.RESTORED:
        return f"{where}, {outcome.held} -> {outcome.before}"
    if outcome.fate is Fate.TAKEN:
        return f"{where} at {outcome.held} (was {outcome.before}): {outcome.reason}"
    return f"{where}: {outcome.reason}" if outcome.reason else where


def _summary(outcomes: tuple[Outcome, ...], dry_run: bool) -> str:
    counts = {fate: sum(outcome.fate is fate for outcome in outcomes) for fate in Fate}
    told = ", ".join(f"{count} {fate}" for fate, count in counts.items() if count)
    return f"{'would be' if dry_run else 'files'}: {told or 'none were changed'}"
