"""Where the blocks of a simulated load lie among the addresses that DAMON shows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from damon_tuner.kernel_iface.host import Snapshot


def load_range(snapshot: Snapshot) -> tuple[int, int]:
    """Of the three ranges of a process the middle one, which is the load's."""
    regions = snapshot.regions
    holes = [(a.end, b.start) for a, b in pairwise(regions) if a.end != b.start]
    return holes[0][1], holes[-1][0]


def block_middles(within: tuple[int, int], nr_blocks: int) -> NDArray[np.float64]:
    """The address in the middle of each of the equal blocks of a range."""
    start, end = within
    block_bytes = (end - start) / nr_blocks
    return np.asarray(start + (np.arange(nr_blocks) + 0.5) * block_bytes, np.float64)
