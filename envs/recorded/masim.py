"""Configuration files of masim, the memory access generator: regions, then phases.

Paragraphs are divided by empty lines, ``#`` begins a comment. The first lists regions as ``name,
length``, each other is a phase: its name, how long it lasts in milliseconds, and how each region
is accessed: ``region, random (1) or in order (0), stride, probability``, perhaps with ``ro``,
``wo`` or ``rw`` behind.

A phase's accesses are divided among its patterns by probability. At random, each page of a region
gets an equal share of them. In order, a page counts as accessed once in each passage, however
many strides lie in it; strides beyond a page leave pages untouched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from damon_tuner.envs.recorded.numbers import BYTES, COUNT, MILLISECONDS, number
from damon_tuner.envs.recorded.recording import MAX_BYTES, PAGE_BYTES, Recording, make_recording
from damon_tuner.errors import RecordingError

# Of one thread, in order over memory: assumed, as it depends on the machine.
DEFAULT_ACCESSES_PER_S = 1e8
_MAX_REGIONS = 4000


@dataclass(frozen=True, slots=True)
class _Pattern:
    region: str
    in_order: bool
    stride_bytes: float
    probability: float

    def touched_share(self) -> float:
        return min(1.0, PAGE_BYTES / self.stride_bytes) if self.in_order else 1.0

    def accesses_a_page(self) -> float:
        """Of those that count as one for a page."""
        return max(1.0, PAGE_BYTES / self.stride_bytes) if self.in_order else 1.0


@dataclass(frozen=True, slots=True)
class _Phase:
    seconds: float
    patterns: tuple[_Pattern, ...]


def read(text: str, accesses_per_s: float | None = None) -> Recording:
    """Read a configuration for a machine that does ``accesses_per_s``."""
    paragraphs = _paragraphs(text)
    if len(paragraphs) < 2:
        raise RecordingError("has no phase behind its regions")
    regions = _regions(paragraphs[0])
    phases = [_phase(lines, regions) for lines in paragraphs[1:]]
    if sum(len(phase.patterns) for phase in phases) + len(phases) * len(regions) > 1 << 17:
        raise RecordingError("has more than 131072 regions in phases")
    starts = dict(zip(regions, np.cumsum([0, *regions.values()]), strict=False))
    touched = dict.fromkeys(regions, 0.0)
    rows: list[tuple[float, float, float, float, float]] = []
    at_s = 0.0
    for phase in phases:
        for name, rate_hz in _rates(phase, regions, touched, accesses_per_s).items():
            start = float(starts[name])
            rows.append((at_s, start, start + regions[name], rate_hz, touched[name]))
        at_s += phase.seconds
    return make_recording("masim", np.array(rows), sum(regions.values()), at_s)


def _paragraphs(text: str) -> list[list[tuple[int, str]]]:
    """Numbered lines without comments; a line with nothing but a comment ends no paragraph."""
    paragraphs: list[list[tuple[int, str]]] = [[]]
    for line_number, line in enumerate(text.splitlines(), 1):
        content = line.split("#", 1)[0].strip()
        if content:
            paragraphs[-1].append((line_number, content))
        elif not line.strip() and paragraphs[-1]:
            paragraphs.append([])
    return [lines for lines in paragraphs if lines]


def _fields(line: tuple[int, str], least: int, most: int) -> list[str]:
    fields = [field.strip() for field in line[1].split(",")]
    if not least <= len(fields) <= most:
        raise RecordingError(f"line {line[0]} has {len(fields)} fields, not {least} to {most}")
    return fields


def _regions(lines: Sequence[tuple[int, str]]) -> dict[str, int]:
    """Length of each region, in whole pages."""
    regions: dict[str, int] = {}
    for line in lines:
        name, length, *_ = _fields(line, 2, 3)
        size = number(length, BYTES, f"line {line[0]}: length")
        if name in regions or not 1.0 <= size <= MAX_BYTES:
            raise RecordingError(f"line {line[0]}: {name[:40]!r} is there twice, or has no length")
        regions[name] = math.ceil(size / PAGE_BYTES) * PAGE_BYTES
    if len(regions) > _MAX_REGIONS:
        raise RecordingError(f"has more than {_MAX_REGIONS} regions")
    return regions


def _phase(lines: Sequence[tuple[int, str]], regions: Mapping[str, int]) -> _Phase:
    if len(lines) < 3:
        raise RecordingError(f"line {lines[0][0]}: a phase is a name, a time and its patterns")
    at = f"line {lines[1][0]}: time in milliseconds"
    seconds = number(lines[1][1], MILLISECONDS, at) * 1e-3
    if not 0.0 < seconds <= 1e6:
        raise RecordingError(f"line {lines[1][0]}: a phase lasts at most a million seconds")
    patterns = tuple(_pattern(line, regions) for line in lines[2:])
    if not sum(pattern.probability for pattern in patterns):
        raise RecordingError(f"line {lines[0][0]}: all of the phase's probabilities are 0")
    return _Phase(seconds, patterns)


def _pattern(line: tuple[int, str], regions: Mapping[str, int]) -> _Pattern:
    name, randomness, stride, probability, *_ = _fields(line, 4, 5)
    if name not in regions:
        raise RecordingError(f"line {line[0]}: there is no region {name[:40]!r}")
    at = f"line {line[0]}: "
    return _Pattern(
        region=name,
        in_order=number(randomness, COUNT, at + "randomness") == 0.0,
        stride_bytes=max(number(stride, BYTES, at + "stride"), 1.0),
        probability=number(probability, COUNT, at + "probability"),
    )


def _rates(
    phase: _Phase,
    regions: Mapping[str, int],
    touched: dict[str, float],
    accesses_per_s: float | None,
) -> dict[str, float]:
    """Accesses a second of each touched page of each region; adds to what is touched."""
    total = sum(pattern.probability for pattern in phase.patterns)
    rates = dict.fromkeys(regions, 0.0)
    for pattern in phase.patterns:
        if pattern.probability:
            touched[pattern.region] = max(touched[pattern.region], pattern.touched_share())
    for pattern in phase.patterns:
        share = pattern.probability / total
        accesses = share * (accesses_per_s or DEFAULT_ACCESSES_PER_S)
        pages = regions[pattern.region] / PAGE_BYTES * touched[pattern.region]
        if share:
            rates[pattern.region] += accesses / pattern.accesses_a_page() / pages
    return rates
