"""Loads that the guest's load program and the simulator both play."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Use:
    """Pages of a range of the memory, each accessed ``rate_hz`` times a second at random."""

    start_mib: int
    length_mib: int
    rate_hz: float

    @property
    def bytes(self) -> tuple[float, float]:
        """First byte and end, in the load's memory."""
        return float(self.start_mib * _MIB), float((self.start_mib + self.length_mib) * _MIB)


@dataclass(frozen=True, slots=True)
class Phase:
    """What is used for some seconds."""

    seconds: int
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Phases that follow one another for ever, of memory that is all filled before."""

    mapped_mib: int
    phases: tuple[Phase, ...]

    @property
    def mapped_bytes(self) -> int:
        """The load's memory."""
        return self.mapped_mib * _MIB

    def text(self) -> str:
        """What the load program is told."""
        lines = [f"map {self.mapped_mib}M"]
        for phase in self.phases:
            lines.append(f"phase {phase.seconds}")
            lines += [f"{u.start_mib}M {u.length_mib}M random {u.rate_hz}" for u in phase.uses]
        return "\n".join(lines) + "\n"

    def rows(self, seconds: float) -> list[tuple[float, float, float, float]]:
        """The simulator's program: (second, first byte, end, accesses a second of each page)."""
        rows = [(0.0, 0.0, float(self.mapped_bytes), 0.0)]
        before: tuple[Use, ...] = ()
        for at_s, phase in self._until(seconds):
            # what the phase before used is over; other memory is not mentioned again
            rows += [(at_s, *use.bytes, 0.0) for use in before if use not in phase.uses]
            rows += [(at_s, *use.bytes, use.rate_hz) for use in phase.uses if use not in before]
            before = phase.uses
        return rows

    def _until(self, seconds: float) -> Iterator[tuple[float, Phase]]:
        at_s = 0.0
        while at_s < seconds:
            for phase in self.phases:
                yield at_s, phase
                at_s += phase.seconds


_HOT = Use(0, 8, 10.0)

# Rates are low, because the emulator takes long for accesses; DAMON sees them over a few seconds.
PATTERNS = {
    # a place is left for a minute and a half
    "moving": Pattern(
        160,
        tuple(Phase(15, (_HOT, Use(start, 20, 2.0))) for start in range(8, 128, 20)),
    ),
    # most of it is used, but each page only every ten seconds or so
    "rare": Pattern(160, (Phase(60, (_HOT, Use(8, 112, 0.1))),)),
    # two parts in turn: each is idle for ten seconds, and then all of it is wanted
    "returning": Pattern(
        160,
        tuple(Phase(10, (_HOT, Use(start, 60, 1.0))) for start in (8, 68)),
    ),
}
"""By name: each another reason why a policy that is best on one is not on all."""
