"""Puts the kernel's files back as they were, where they still hold what we put there."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.claim import is_damon, taken_over
from damon_tuner.kernel_iface.sysfs.records import Claim, Entry
from damon_tuner.kernel_iface.sysfs.tree import Tree


class Fate(enum.StrEnum):
    """What came of a file that was changed."""

    RESTORED = "restored"
    ALREADY = "already as it was"
    GONE = "gone"
    TAKEN = "left alone"
    STUCK = "not restored"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one file; ``held`` is what it held when it was looked at.

    ``way_back`` is what is written for it to hold ``before`` again.
    """

    path: str
    fate: Fate
    before: str
    way_back: str
    held: str | None = None
    reason: str = ""


def put_back(
    tree: Tree, entries: Sequence[Entry], claimed: Claim | None, *, dry_run: bool
) -> Iterator[Outcome]:
    """Put ``entries`` back in the order given; DAMON's files only while its kdamonds are ours."""
    obstacle = _obstacle_to_damon(tree, claimed)
    for entry in entries:
        yield _put_back_one(tree, entry, obstacle if is_damon(entry.path) else None, dry_run)


def _obstacle_to_damon(tree: Tree, claimed: Claim | None) -> tuple[Fate, str] | None:
    """Tell what keeps us from DAMON's files, if anything does."""
    if claimed is None:
        return None
    try:
        other = taken_over(tree, claimed)
    except TunerError as error:
        return Fate.STUCK, str(error)
    return None if other is None else (Fate.TAKEN, other)


def _put_back_one(
    tree: Tree, entry: Entry, obstacle: tuple[Fate, str] | None, dry_run: bool
) -> Outcome:
    held: str | None = None
    try:
        held = _held(tree, entry)
        fate, reason = _fate(entry, held, obstacle)
        if fate is Fate.RESTORED and not dry_run:
            tree.write(entry.path, entry.way_back)
    except TunerError as error:
        fate, reason = Fate.STUCK, str(error)
        # a kdamond that ends by itself meanwhile refuses to be switched off
        if _shows(tree, entry.path, entry.before):
            fate, reason = Fate.ALREADY, ""
    return Outcome(entry.path, fate, entry.before, entry.way_back, held, reason)


def _shows(tree: Tree, path: str, text: str) -> bool:
    try:
        return tree.read_if_present(path) == text
    except TunerError:
        return False


def _held(tree: Tree, entry: Entry) -> str | None:
    held = tree.read_if_present(entry.path)
    if held in (entry.before, *entry.ours):
        return held
    return tree.read_if_present(entry.path)  # to give a file up takes two looks


def _fate(entry: Entry, held: str | None, obstacle: tuple[Fate, str] | None) -> tuple[Fate, str]:
    """What is to become of a file; only ``RESTORED`` asks for something to be done."""
    if obstacle is not None and obstacle[0] is Fate.STUCK:
        return obstacle
    if held is None and obstacle is None and is_damon(entry.path):
        # Our kdamonds are there, and their files have to be as well.
        return Fate.STUCK, f"/{entry.path} does not exist"
    if held is None:
        return Fate.GONE, ""
    if held == entry.before:
        return Fate.ALREADY, ""
    if held not in entry.ours:
        return Fate.TAKEN, "somebody else wrote there"
    return obstacle or (Fate.RESTORED, "")
