"""What the running kernel's DAMON offers, told by the files that are there."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Self

from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.sysfs.feature_table import FEATURES, Feature
from damon_tuner.kernel_iface.sysfs.occupants import ADMIN
from damon_tuner.kernel_iface.sysfs.tree import Tree

_OSRELEASE = "proc/sys/kernel/osrelease"
_NUMBER = re.compile(r"(?<=/)\d+(?=/|$)")

# Which one each of a kdamond's children to make, so that the files below them can be seen.
_SAMPLES = (
    "contexts/nr_contexts",
    "contexts/0/targets/nr_targets",
    "contexts/0/monitoring_attrs/probes/nr_probes",
    "contexts/0/schemes/nr_schemes",
    "contexts/0/schemes/0/quotas/goals/nr_goals",
    "contexts/0/schemes/0/filters/nr_filters",
    "contexts/0/schemes/0/ops_filters/nr_filters",
)


class Presence(enum.StrEnum):
    """Whether a feature is there; nobody can tell where no directory is that would hold it."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FeatureStatus:
    """A feature, whether its file is there, and whether the kernel's release should have it."""

    feature: Feature
    presence: Presence
    is_expected: bool | None


def feature_statuses(tree: Tree) -> tuple[FeatureStatus, ...]:
    """Look every feature up, reading only: what nobody has set up at the moment is unknown.

    Distributions bring features to older kernels, so a release is only an expectation; it is
    None where the kernel does not tell its release.

    Raises:
        TunerError: what ``Tree`` raises.
    """
    release = _numbers(tree.read_if_present(_OSRELEASE) or "")
    damon = ADMIN.rpartition("/")[0]
    below = ["admin", "kdamonds", "*"]
    seen = {f.path: _presence(tree, damon, [*below, *f.path.split("/")]) for f in FEATURES}
    return tuple(
        FeatureStatus(f, _of(f, seen), _numbers(f.since) <= release if release else None)
        for f in FEATURES
    )


class Features:
    """The features that a kernel has, by the paths of their files."""

    def __init__(self, absent: frozenset[str] = frozenset()) -> None:
        self._absent = absent

    @classmethod
    def probed(cls, tree: Tree, kdamond: str) -> Self:
        """Try a kdamond of our own, which must not run; all that was staged in it is lost.

        Raises:
            DamonMissingError: names what there is no substitute for, and the kernel to use.
        """
        make_samples(tree, kdamond)
        absent = frozenset(
            f.path for f in FEATURES if not f.word and not _is_there(tree, kdamond, f.path)
        )
        tree.write(f"{kdamond}/contexts/nr_contexts", "1")
        for feature in FEATURES:
            if feature.is_needed and feature.path in absent:
                raise missing(feature)
        return cls(absent)

    def has(self, path: str) -> bool:
        """Tell whether a file or directory below ``kdamonds/<K>`` is there; ``*`` for numbers."""
        return self.lacking(path) is None

    def lacking(self, path: str) -> Feature | None:
        """Return the feature that would bring a file below ``kdamonds/<K>``, if it is absent.

        Numbers in ``path`` may be written out.
        """
        if not self._absent:
            return None
        return next((_BY_PATH[part] for part in _ways(path) if part in self._absent), None)


def make_samples(tree: Tree, kdamond: str) -> None:
    """Make one of each child of a kdamond that does not run, so that all its files are there."""
    for counter in _SAMPLES:
        if tree.exists(f"{kdamond}/{counter}"):
            tree.write(f"{kdamond}/{counter}", "1")


def word_feature(path: str, word: str) -> Feature | None:
    """Return the feature that brought ``word`` to a file below ``kdamonds/<K>``, if one did."""
    return _BY_WORD.get((_any(path), word))


def missing(feature: Feature) -> DamonMissingError:
    """Say what the kernel lacks, what that means, and which release has it."""
    return DamonMissingError(
        f"this kernel's DAMON has no {feature.name}: {feature.lost}; "
        f"use Linux {feature.since} or newer"
    )


def _any(path: str) -> str:
    """The path with ``*`` for numbers; the folders of filters hold the same files."""
    return re.sub(r"(core|ops)_filters/\*", "filters/*", _NUMBER.sub("*", path))


def _ways(path: str) -> list[str]:
    """The path and every directory above it."""
    parts = path.split("/")
    return [_any("/".join(parts[:count])) for count in range(1, len(parts) + 1)]


def _is_there(tree: Tree, kdamond: str, path: str) -> bool:
    sample = f"{kdamond}/{path.replace('*', '0')}"
    # The oldest folder of filters is deprecated: when it goes, another shows what filters have.
    newer = sample.replace("/filters/0/", "/ops_filters/0/")
    return tree.exists(sample) or tree.exists(newer)


def _presence(tree: Tree, directory: str, parts: list[str]) -> Presence:
    if not parts:
        return Presence.PRESENT
    first, rest = parts[0], parts[1:]
    if first != "*":
        path = f"{directory}/{first}"
        return _presence(tree, path, rest) if tree.exists(path) else Presence.ABSENT
    found = Presence.UNKNOWN
    for name in filter(str.isdecimal, tree.names(directory)):
        found = _presence(tree, f"{directory}/{name}", rest)
        if found is Presence.PRESENT:
            break
    return found


def _of(feature: Feature, seen: dict[str, Presence]) -> Presence:
    if not feature.word:
        return seen[feature.path]
    came_together = _BY_PATH[feature.sign].since == feature.since
    if seen[feature.sign] is Presence.PRESENT or came_together:
        return seen[feature.sign]
    return Presence.UNKNOWN


def _numbers(release: str) -> tuple[int, ...]:
    """The first two numbers of a release, such as 6.12."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return tuple(map(int, found.groups())) if found else ()


_BY_PATH = {feature.path: feature for feature in FEATURES if not feature.word}
_BY_WORD = {(feature.path, feature.word): feature for feature in FEATURES if feature.word}
