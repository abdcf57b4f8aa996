"""The kernel and its DAMON: what it offers, and who uses it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from damon_tuner.errors import DamonBusyError, LeftoverError
from damon_tuner.kernel_iface.doctor.finding import Verdict, missing, ok, unknown
from damon_tuner.kernel_iface.sysfs.features import FeatureStatus, Presence, feature_statuses
from damon_tuner.kernel_iface.sysfs.ledger import refuse_leftover
from damon_tuner.kernel_iface.sysfs.observe.table import number, word
from damon_tuner.kernel_iface.sysfs.occupants import (
    ADMIN,
    DAMON_STAT_ENABLED,
    NR_KDAMONDS,
    is_on,
    occupant,
)
from damon_tuner.kernel_iface.sysfs.tree import Tree

_RELEASE = "proc/sys/kernel/osrelease"
_BUILD = "CONFIG_DAMON, CONFIG_DAMON_SYSFS, CONFIG_DAMON_VADDR and CONFIG_DAMON_PADDR"
_BY_RELEASE = "by the kernel's release: --probe asks the kernel itself"
_BY_FILES = "by DAMON's files"


def release(tree: Tree) -> Verdict:
    """Tell which kernel this is."""
    text = word(tree, _RELEASE)
    return ok(f"Linux {text}", release=text) if text else unknown(f"/{_RELEASE} is missing")


def interface(tree: Tree) -> Verdict:
    """Tell whether there is a DAMON that can be driven."""
    if number(tree, NR_KDAMONDS) is None:
        return missing(
            f"this kernel has no DAMON to drive (/{ADMIN})",
            means="nothing can be monitored",
            remedy=f"use a kernel built with {_BUILD}",
        )
    return ok(f"/{ADMIN}")


def users(tree: Tree) -> Verdict:
    """Tell who uses DAMON now."""
    kdamonds = number(tree, NR_KDAMONDS)
    if kdamonds is None:
        return unknown("there is no DAMON")
    found = occupant(tree)
    if found is not None:
        return missing(
            f"in use by {found.who}",
            means="DAMON serves one user at a time",
            remedy=found.remedy,
            kdamonds=kdamonds,
        )
    if is_on(tree.read_if_present(DAMON_STAT_ENABLED)):
        return ok("only damon_stat, which rests while a tuner runs", kdamonds=0)
    return ok("nobody", kdamonds=0)


def features(tree: Tree) -> Verdict:
    """Tell what this DAMON can do, by files where they are, else by the kernel's release."""
    if number(tree, NR_KDAMONDS) is None:
        return unknown("there is no DAMON")
    statuses = feature_statuses(tree)
    guessed = any(status.presence is Presence.UNKNOWN for status in statuses)
    if any(_has(status) is None for status in statuses):
        return unknown(f"/{_RELEASE} does not tell the kernel's release")
    lacking = [status for status in statuses if not _has(status)]
    facts = {
        "by_release": guessed,
        "have": [status.feature.name for status in statuses if _has(status)],
        "lack": [status.feature.name for status in lacking],
    }
    how = _BY_RELEASE if guessed else _BY_FILES
    needed = [status for status in lacking if status.feature.is_needed]
    if needed:
        return missing(
            f"{needed[0].feature.path} is not there, {how}",
            means="; ".join(status.feature.lost for status in needed),
            remedy=f"use Linux {_newest(needed)} or newer",
            **facts,
        )
    says = f"{len(statuses) - len(lacking)} of {len(statuses)}, {how}"
    return ok(says, *_by_release(lacking), **facts)


def leftovers(tree: Tree, folder: Path) -> Verdict:
    """Tell whether a killed run has left changes, as its journal in ``folder`` says."""
    try:
        refuse_leftover(tree, folder)
    except (LeftoverError, DamonBusyError) as error:
        says, _, remedy = str(error).partition(": ")
        return missing(says, means="damon-tuner run refuses this host", remedy=remedy)
    return ok("no run was killed")


def _has(status: FeatureStatus) -> bool | None:
    if status.presence is Presence.UNKNOWN:
        return status.is_expected
    return status.presence is Presence.PRESENT


def _by_release(lacking: Sequence[FeatureStatus]) -> list[str]:
    lost: dict[str, dict[str, None]] = {}
    for status in lacking:
        lost.setdefault(status.feature.since, {})[status.feature.lost] = None
    return [f"before Linux {since}: {'; '.join(lost[since])}" for since in sorted(lost, key=_key)]


def _newest(lacking: Sequence[FeatureStatus]) -> str:
    return max((status.feature.since for status in lacking), key=_key)


def _key(since: str) -> tuple[int, ...]:
    return tuple(map(int, since.split(".")))
