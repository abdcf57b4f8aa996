"""What was seen of a tenant's memory, range by range, and what could be made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from damon_tuner.kernel_iface.sysfs.observe.alike import Alike
from damon_tuner.kernel_iface.sysfs.observe.mappings import Backing
from damon_tuner.policies.attributes import Chunk
from damon_tuner.units import size_text

_COLUMNS = ("addresses", "size", "heat", "pattern", "again after", "group", "backing")


@dataclass(frozen=True, slots=True)
class Merging:
    """What looks alike in idle anonymous memory: as measured, or why it was not."""

    alike: Alike | None
    reason: str = ""
    ksm_runs: bool | None = None
    """Whether the kernel's merging is switched on; None where it has none."""


@dataclass(frozen=True, slots=True)
class Row:
    """A range, and what its pages are backed by, where that is known."""

    chunk: Chunk
    backing: Backing | None


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that could be done: ``prefetch``, ``place_together`` or ``merge``."""

    kind: str
    ranges: tuple[tuple[int, int], ...]
    text: str


@dataclass(frozen=True, slots=True)
class AttributesReport:
    """All that a watch has told of one tenant.

    ``ended_early`` says why it took less than it was asked to. ``features`` are as the policies'
    observation has them.
    """

    tenant: str
    watched_s: float
    nr_snapshots: int
    rows: tuple[Row, ...]
    features: Mapping[str, float]
    merging: Merging | None = None
    ended_early: str = ""

    def advice(self) -> tuple[Advice, ...]:
        """What to prefetch, to place together, to merge; nothing for memory that is not mapped."""
        return (*self._prefetch(), *self._together(), *self._merge())

    def text(self) -> str:
        """For people: a table, and a line for each piece of advice."""
        lines = [
            f"{self.tenant}: watched for {self.watched_s:.0f} s, {self.nr_snapshots} snapshots"
        ]
        if self.ended_early:
            lines.append(f"ended early: {self.ended_early}")
        lines += ["", *_table([_COLUMNS, *map(_cells, self.rows)]), ""]
        lines += [advice.text for advice in self.advice()] or ["nothing to recommend"]
        if self.merging is not None:
            lines.append(_merging_text(self.merging))
        return "\n".join(lines)

    def json(self) -> str:
        """For programs: one object."""
        merging = None
        if self.merging is not None:
            alike = self.merging.alike
            merging = {
                "measured": alike
                and {
                    **asdict(alike),
                    "duplicate_share": alike.duplicate_share,
                    "zero_share": alike.zero_share,
                },
                "reason": self.merging.reason,
                "ksm_runs": self.merging.ksm_runs,
            }
        return json.dumps(
            {
                "tenant": self.tenant,
                "watched_s": self.watched_s,
                "nr_snapshots": self.nr_snapshots,
                "ended_early": self.ended_early,
                "features": dict(self.features),
                "ranges": [
                    {
                        **asdict(row.chunk),
                        "heat_class": row.chunk.heat_class,
                        "backing": row.backing,
                    }
                    for row in self.rows
                ],
                "merging": merging,
                "advice": [asdict(advice) for advice in self.advice()],
            },
            allow_nan=False,
        )

    def _mapped(self) -> list[Chunk]:
        return [row.chunk for row in self.rows if row.backing is not Backing.UNMAPPED]

    def _prefetch(self) -> Iterator[Advice]:
        for chunk in self._mapped():
            if chunk.pattern == "sequential":
                up = "higher" if chunk.direction > 0 else "lower"
                yield Advice(
                    "prefetch",
                    ((chunk.start, chunk.end),),
                    f"prefetch {_span(chunk)}: it is swept to {up} addresses{_every(chunk)}; "
                    "bring back what lies ahead (MADV_WILLNEED, MADV_SEQUENTIAL), page out what "
                    "lies behind",
                )

    def _together(self) -> Iterator[Advice]:
        mapped = self._mapped()
        for group in sorted({chunk.group for chunk in mapped if chunk.group is not None}):
            members = [c for c in mapped if c.group == group and c.pattern != "sequential"]
            # one range lies together already
            if len(members) < 2:
                continue
            size = size_text(sum(chunk.bytes for chunk in members))
            spans = ", ".join(map(_span, members))
            yield Advice(
                "place_together",
                tuple((chunk.start, chunk.end) for chunk in members),
                f"place together, group {group}, {size}: {spans}: used at the same "
                f"times{_every(members[0])}; one node, and back together when one comes back",
            )

    def _merge(self) -> Iterator[Advice]:
        alike = self.merging.alike if self.merging else None
        if alike is None or not alike.nr_duplicates:
            return
        idle = tuple(idle_anonymous(self.rows))
        yield Advice(
            "merge",
            idle,
            f"merge: at least {alike.duplicate_share:.0%} of the idle anonymous pages look like "
            "another (MADV_MERGEABLE, or prctl PR_SET_MEMORY_MERGE)",
        )


def idle_anonymous(rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """The ranges that are not used and hold no pages of files, for all that was seen."""
    for row in rows:
        if row.chunk.pattern == "idle" and row.backing in (Backing.ANON, Backing.MIXED):
            yield row.chunk.start, row.chunk.end


def _merging_text(merging: Merging) -> str:
    alike = merging.alike
    if alike is None:
        return f"what looks alike was not measured: {merging.reason}"
    runs = {True: "is on", False: "is off", None: "is not in this kernel"}[merging.ksm_runs]
    return (
        f"idle anonymous memory: {alike.nr_read} pages read of {alike.nr_looked_at} looked at "
        f"({alike.of_pages} in all), {alike.nr_duplicates} like another "
        f"({alike.duplicate_share:.1%}), {alike.nr_zero} zero ({alike.zero_share:.1%}), "
        f"{alike.nr_shared} shared already; KSM {runs}"
    )


def _span(chunk: Chunk) -> str:
    return f"{chunk.start:#x}-{chunk.end:#x}"


def _every(chunk: Chunk) -> str:
    return f" every {chunk.reuse_s:.0f} s" if chunk.reuse_s else ""


def _cells(row: Row) -> tuple[str, ...]:
    chunk = row.chunk
    arrow = {1: " up", -1: " down", 0: ""}[chunk.direction]
    again = "-" if chunk.reuse_s is None else f"{chunk.reuse_s:.0f} s" if chunk.reuse_s else "used"
    return (
        _span(chunk),
        size_text(chunk.bytes),
        f"{chunk.heat_class} {chunk.heat:.1%}",
        chunk.pattern + arrow,
        again,
        str(chunk.group or "-"),
        row.backing or "-",
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
