"""Address traces: ``l 0xADDRESS n`` a line, a load or store after n more instructions.

Time comes from instructions. A real core would run through most traces in a blink, so by default
they are played as slowly as makes them last a minute. Accesses are counted in windows; pages that
the trace never uses are cut out. Where there are many pages, neighbours share a rate: the one at
which DAMON, checking every 5 ms, would find them accessed as often.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from damon_tuner.envs.recorded.recording import PAGE_BYTES, Recording, Rows, make_recording
from damon_tuner.errors import RecordingError

LINE = re.compile(r"[ls] (0x[0-9a-fA-F]{1,16}) ([0-9]{1,12})")
DEFAULT_LENGTH_S = 60.0
_NR_WINDOWS = 120
_MAX_PLACES = 2000
_CHECK_S = 0.005


def read(text: str, instructions_per_s: float | None = None) -> Recording:
    """Read a trace of a core that runs ``instructions_per_s``."""
    pages, instructions = _accesses(text)
    length_s = DEFAULT_LENGTH_S
    if instructions_per_s:
        length_s = float(instructions[-1] + 1) / instructions_per_s
    if not 1e-3 <= length_s <= 1e6:
        raise RecordingError(
            f"at {instructions_per_s:g} instructions a second it would last {length_s:g} s: "
            "bring instructions_per_s with which it lasts from a millisecond to 10 days"
        )
    used, page = np.unique(pages, return_inverse=True)
    pages_per_place = -(-len(used) // _MAX_PLACES)
    window = instructions * _NR_WINDOWS // (int(instructions[-1]) + 1)
    rows = _rows(window, page, len(used), pages_per_place, length_s / _NR_WINDOWS)
    return make_recording("address-trace", rows, len(used) * PAGE_BYTES, length_s)


def _accesses(text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The page of each access, and the instructions before it."""
    pages: list[int] = []
    steps: list[int] = []
    for line_number, line in enumerate(text.splitlines(), 1):
        found = LINE.fullmatch(line.strip())
        if found:
            pages.append(int(found[1], 16) // PAGE_BYTES)
            steps.append(int(found[2]))
        elif line.strip():
            raise RecordingError(f"line {line_number} is not 'l 0xADDRESS n' or 's 0xADDRESS n'")
    if not pages:
        raise RecordingError("there is no access in it")
    if sum(steps) > 1 << 50:
        raise RecordingError("it counts more than 2^50 instructions")
    return np.array(pages, dtype=np.int64), np.cumsum(np.array(steps, dtype=np.int64))


def _rows(
    window: NDArray[np.int64],
    page: NDArray[np.intp],
    nr_pages: int,
    pages_per_place: int,
    window_s: float,
) -> Rows:
    place_of = np.arange(nr_pages) // pages_per_place
    pages_in = np.bincount(place_of).astype(np.float64)
    touched = np.zeros(nr_pages)
    ends = np.searchsorted(window, np.arange(_NR_WINDOWS + 1))
    rows: list[Rows] = []
    before = np.zeros((len(pages_in), 2))
    for k in range(_NR_WINDOWS):
        counts = np.bincount(page[ends[k] : ends[k + 1]], minlength=nr_pages)
        touched[counts > 0] = 1.0
        missed = np.exp(-counts / window_s * _CHECK_S) * touched
        nr_touched = np.bincount(place_of, touched).astype(np.float64)
        nr_missed = np.bincount(place_of, missed).astype(np.float64)
        now = np.column_stack([_rate(nr_missed, nr_touched), nr_touched / pages_in])
        changed = np.flatnonzero((now != before).any(axis=1))
        if len(changed):
            start = changed * float(pages_per_place * PAGE_BYTES)
            end = start + pages_in[changed] * PAGE_BYTES
            at_s = np.full(len(changed), k * window_s)
            rows.append(np.column_stack([at_s, start, end, now[changed]]))
        before = now
    return np.concatenate(rows)


def _rate(missed: NDArray[np.float64], nr_touched: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rate at which a check misses on average as often as over these pages."""
    share = np.divide(missed, nr_touched, out=np.ones_like(missed), where=nr_touched > 0)
    return -np.log(np.maximum(share, 1e-300)) / _CHECK_S
