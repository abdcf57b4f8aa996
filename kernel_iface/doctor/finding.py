"""What the doctor says about one thing."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Status(enum.StrEnum):
    """Whether something is there; what cannot be read is neither there nor missing."""

    OK = "ok"
    MISSING = "missing"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found."""

    status: Status
    says: str
    means: str = ""
    """What follows from its being missing."""
    remedy: str = ""
    """What to do about it."""
    details: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    """The same for programs: numbers, strings, lists and mappings of them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, and what it is about."""

    topic: str
    name: str
    needed: bool
    """Whether no process can be managed without it."""
    verdict: Verdict

    @property
    def blocks(self) -> bool:
        """Tell whether no process can be managed because of this."""
        return self.needed and self.verdict.status is not Status.OK


def ok(says: str, *details: str, **facts: object) -> Verdict:
    """Say that something is there."""
    return Verdict(Status.OK, says, details=details, facts=facts)


def missing(says: str, *, means: str, remedy: str, **facts: object) -> Verdict:
    """Say that something is not there, what follows, and what to do."""
    return Verdict(Status.MISSING, says, means, remedy, facts=facts)


def unknown(why: str) -> Verdict:
    """Say that nobody can tell."""
    return Verdict(Status.UNKNOWN, why)
