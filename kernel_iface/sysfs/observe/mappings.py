"""What a process has mapped where."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from damon_tuner.errors import KernelFileError
from damon_tuner.kernel_iface.sysfs.tree import Tree

_LINE = re.compile(
    r"([0-9a-f]+)-([0-9a-f]+) ([r-][w-][x-][ps]) [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ (\d+)(?:\s+(.*))?"
)

_NEARLY_ALL = 0.9
# Where every process has a page of the kernel's.
_KERNEL_ADDRESSES = 1 << 63

MAX_RANGES = 32
"""So many are watched: each is a region at least."""


class Backing(enum.StrEnum):
    """Where the pages of some addresses come from."""

    ANON = "anon"
    FILE = "file"
    MIXED = "mixed"
    UNMAPPED = "unmapped"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Addresses from ``start`` to ``end`` exclusive; ``name`` is a path, or as ``[heap]``.

    Private mappings of files count as files, though what is written there is anonymous then.
    """

    start: int
    end: int
    is_private: bool
    backing: Backing
    name: str


def mappings(tree: Tree, pid: int) -> tuple[Mapping, ...]:
    """Read all mappings of a process by address; none where it is gone.

    Raises:
        NoPermissionError: it is another user's.
        KernelFileError: the file does not hold what it should.
    """
    path = f"proc/{pid}/maps"
    return tuple(_mapping(path, line) for line in (tree.read_if_present(path) or "").splitlines())


def spans(found: Sequence[Mapping], max_ranges: int = MAX_RANGES) -> tuple[tuple[int, int], ...]:
    """At most ``max_ranges`` ranges that hold all mappings, and leave out the largest holes.

    DAMON's own choice leaves out the two largest alone, and watches what lies between as if it
    were memory.
    """
    own = sorted((m.start, m.end) for m in found if m.end <= _KERNEL_ADDRESSES)
    holes = sorted(
        (after - end, i) for i, ((_, end), (after, _)) in enumerate(pairwise(own)) if after > end
    )
    largest = holes[len(holes) - min(len(holes), max_ranges - 1) :]
    cuts = sorted(i for _, i in largest)
    firsts, lasts = [0, *(i + 1 for i in cuts)], [*cuts, len(own) - 1]
    return tuple((own[a][0], own[b][1]) for a, b in zip(firsts, lasts, strict=True) if own)


def backing_of(found: Iterable[Mapping], start: int, end: int) -> Backing:
    """What nearly all that is mapped from ``start`` to ``end`` is backed by."""
    bytes_of = {Backing.ANON: 0, Backing.FILE: 0}
    for mapping in found:
        overlap = min(end, mapping.end) - max(start, mapping.start)
        if overlap > 0:
            bytes_of[mapping.backing] += overlap
    mapped = sum(bytes_of.values())
    if not mapped:
        return Backing.UNMAPPED
    most = max(bytes_of, key=bytes_of.__getitem__)
    return most if bytes_of[most] >= _NEARLY_ALL * mapped else Backing.MIXED


def _mapping(path: str, line: str) -> Mapping:
    match = _LINE.fullmatch(line)
    if match is None:
        raise KernelFileError(f"/{path} holds {line[:60]!a}, which makes no sense")
    start, end, modes, inode, name = match.groups()
    return Mapping(
        int(start, 16),
        int(end, 16),
        modes[3] == "p",
        Backing.FILE if int(inode) else Backing.ANON,
        name or "",
    )
