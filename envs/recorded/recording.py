"""What all readers make: a program of rates over time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.errors import RecordingError

PAGE_BYTES = 4096
# As the simulator has them.
MAX_BYTES = 1 << 46
MAX_SECONDS = 1e9
MAX_RATE_HZ = 1e9

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recording:
    """A load that was recorded, at addresses from 0 to ``footprint_bytes``.

    ``rows`` are (at_s, start_byte, end_byte, rate_hz, touched_share), sorted by time: from
    ``at_s`` on, each page in [start_byte, end_byte) is accessed at ``rate_hz``. ``loop_s`` is
    after how long the recording starts again; 0 where it stands still. ``note`` says what else
    people should know of it.
    """

    format: str
    rows: Rows = field(repr=False, compare=False)
    footprint_bytes: int
    loop_s: float
    note: str = ""


def make_recording(format: str, rows: Rows, footprint_bytes: int, loop_s: float) -> Recording:
    """Check what a reader has made.

    Raises:
        RecordingError: there is nothing to play, or more than the simulator takes.

    """
    if not len(rows) or footprint_bytes <= 0:
        raise RecordingError("the recording holds no accessed memory")
    if not 0.0 <= rows[-1, 0] < max(loop_s, 1e-9) or loop_s > MAX_SECONDS:
        raise RecordingError("the recording's times make no sense")
    rows = np.ascontiguousarray(rows)
    rows[:, 3] = np.clip(rows[:, 3], 0.0, MAX_RATE_HZ)
    try:
        _core.Spec("recorded", program=rows)
    except ValueError as error:
        raise RecordingError(f"cannot be played: {error}") from None
    # what never changes needs no new start
    loop_s = loop_s if rows[-1, 0] > 0.0 else 0.0
    return Recording(format, rows, footprint_bytes, loop_s)
