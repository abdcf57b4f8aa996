"""What the journal says: one line of JSON with a checksum for each change, and back again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from damon_tuner import __version__
from damon_tuner.checked_line import checked_line, read_checked_line
from damon_tuner.errors import JournalError
from damon_tuner.kernel_iface.sysfs.tree import Tree

FORMAT = 1

_BOOT_ID = "proc/sys/kernel/random/boot_id"
_SELF = "proc/self/stat"

# The journal is obeyed by root: whatever it says, nothing but the kernel's files is written.
_WRITABLE = ("sys/", "proc/sys/")


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that made a change; ``start_ticks`` tells it from a later one of that pid."""

    boot_id: str
    pid: int
    start_ticks: int
    version: str = __version__

    def booted_since(self, tree: Tree) -> bool:
        """Tell whether the host has booted since; where nobody can tell, it has not."""
        now = boot_id(tree)
        return bool(now and self.boot_id) and now != self.boot_id

    def is_alive(self, tree: Tree) -> bool:
        """Tell whether that process still runs, and is not the one that asks."""
        return self.pid != os.getpid() and start_ticks(tree, self.pid) == self.start_ticks


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


@dataclass(frozen=True, slots=True)
class Back:
    """The file is as it was, or is somebody else's now: nothing is left to do there."""

    path: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What tells our kdamonds from those that somebody else put in their place.

    ``threads`` has the pid and the start time of each worker, or None before it was seen to
    run; ``frame`` is a digest of what they were told to monitor.
    """

    threads: tuple[tuple[int, int] | None, ...]
    frame: str


Record = Change | Back | Claim
_KINDS: dict[str, type[Record]] = {"change": Change, "back": Back, "kdamonds": Claim}
_NAMES = {kind: name for name, kind in _KINDS.items()}


# The text before the last change and after it, each as written and as the file shows it.
_NR_OURS = 4


@dataclass(slots=True)
class Entry:
    """A file that was changed: what it held at first, and the last texts that we put there."""

    path: str
    before: str
    ours: list[str]
    undo: str | None = None

    @property
    def way_back(self) -> str:
        """What to write to put the file back."""
        return self.before if self.undo is None else self.undo


@dataclass(slots=True)
class Written:
    """What a journal amounts to; ``damaged`` are the numbers of lines that cannot be believed."""

    owner: Owner | None = None
    entries: dict[str, Entry] = field(default_factory=dict)
    claim: Claim | None = None
    damaged: list[int] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Take the next record into account."""
        match record:
            case Change(path, before, after, undo):
                entry = self.entries.setdefault(path, Entry(path, before, []))
                entry.undo = undo
                if after in entry.ours:
                    entry.ours.remove(after)
                entry.ours = [*entry.ours, after][-_NR_OURS:]
            case Back(path):
                self.entries.pop(path, None)
            case Claim():
                self.claim = record

    def records(self) -> list[Record]:
        """The fewest records that amount to the same."""
        changes: list[Record] = [
            Change(entry.path, entry.before, after, entry.undo)
            for entry in self.entries.values()
            for after in entry.ours
        ]
        return changes if self.claim is None else [self.claim, *changes]


def this_process(tree: Tree) -> Owner:
    """Return who is about to change the host."""
    stat = tree.read_if_present(_SELF)
    with tree.sensible():
        return Owner(boot_id(tree), *(_pid_and_start(stat) if stat else (os.getpid(), 0)))


def boot_id(tree: Tree) -> str:
    """Return what names this boot of the kernel."""
    return tree.read_if_present(_BOOT_ID) or ""


def start_ticks(tree: Tree, pid: int) -> int | None:
    """Return when a process or kernel thread began, in clock ticks; None when there is none."""
    stat = tree.read_if_present(f"proc/{pid}/stat")
    with tree.sensible():
        return None if stat is None else _pid_and_start(stat)[1]


def encode(record: Record, owner: Owner) -> bytes:
    """Return the line of a record."""
    kind = _NAMES[type(record)]
    return checked_line({"format": FORMAT, "kind": kind, **asdict(record), **asdict(owner)})


def decode(content: bytes) -> Written:
    """Return what a journal says; a last line that was cut off was never acted on.

    Raises:
        JournalError: it was written by a release that this one does not know.
    """
    written = Written()
    # A complete line ends in a newline, so that what follows the last one was cut off.
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            record, owner = _decode_line(line)
        except (ValueError, TypeError, KeyError, AttributeError):
            written.damaged.append(number)
            continue
        written.owner = owner
        written.add(record)
    return written


def _decode_line(line: bytes) -> tuple[Record, Owner]:
    content = read_checked_line(line)
    if content["format"] != FORMAT:
        raise JournalError(
            f"the journal was written by damon-tuner {content.get('version')}: "
            "use that release's damon-tuner restore"
        )
    owner = Owner(**_picked(content, Owner.__slots__))
    return _record(content), owner


def _record(content: Mapping[str, Any]) -> Record:
    kind = _KINDS[content["kind"]]
    fields = _picked(content, kind.__slots__)
    if kind is Claim:
        threads = tuple(None if each is None else tuple(each) for each in content["threads"])
        fields["threads"] = threads
    elif not fields["path"].startswith(_WRITABLE) or ".." in fields["path"].split("/"):
        raise ValueError("not a file of the kernel")
    return kind(**fields)


def _picked(content: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: content[name] for name in names}


def _pid_and_start(stat: str) -> tuple[int, int]:
    # The name in the second field may hold spaces and parentheses of its own.
    head, _, tail = stat.rpartition(")")
    return int(head.split()[0]), int(tail.split()[19])
