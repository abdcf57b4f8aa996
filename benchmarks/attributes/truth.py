"""What a simulated load really does with each block, told from its true rates alone.

A block is in use while each of its pages is accessed at least once in 20 s. A use begins when that
begins after 10 s without. Blocks are swept when uses begin block after block along the addresses:
each within 10 s of its neighbour's, over two 128ths of the memory and at four different times at
least, and less than half of them at one. No snapshot of DAMON's is looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damon_tuner.kernel_iface.sim import SimHost

TICK_S = 0.1
"""How often the load is looked at; its families change their rates no more often."""

IN_USE_HZ = 0.05
QUIET_S = 10.0
TOGETHER_S = 5.0

_LINK_S = 10.0
_CHUNKS = 128
_LEAST_TIMES = 4
_TOGETHER_SHARE = 2 / 3
_ACCESSES = 3.0

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Truth:
    """Of each block: the ticks at which uses began, whether it is swept, or irregular."""

    begins: tuple[NDArray[np.int64], ...]
    is_sequential: Bools
    is_irregular: Bools
    nr_ticks: int

    @property
    def reuse_s(self) -> Floats:
        """Mean seconds from use to use; NaN for less than two."""
        return np.array(
            [
                (begins[-1] - begins[0]) * TICK_S / (len(begins) - 1)
                if len(begins) > 1
                else np.nan
                for begins in self.begins
            ]
        )

    def together(self, blocks: NDArray[np.int64]) -> Bools:
        """Which pairs of ``blocks`` begin two thirds of their uses, and two at least, together."""
        reach = round(TOGETHER_S / TICK_S)
        at = np.zeros((len(blocks), self.nr_ticks + 2 * reach + 1), np.float32)
        for row, block in enumerate(blocks):
            at[row, self.begins[block] + reach] = 1.0
        sums = np.cumsum(np.pad(at, ((0, 0), (1, 0))), axis=1)
        near = (sums[:, 2 * reach + 1 :] - sums[:, : -2 * reach - 1] > 0.0).astype(np.float32)
        own = at[:, reach : reach + near.shape[1]]
        count = own.sum(axis=1)
        mine = own @ near.T >= _TOGETHER_SHARE * count[:, None]
        together: Bools = mine & mine.T & (count[:, None] >= 2) & (count[None, :] >= 2)
        return together


class Recorder:
    """Looks at a load tick by tick."""

    def __init__(self, host: SimHost, seconds: float) -> None:
        self._host = host
        nr = host.nr_blocks()
        self._rates, self._touched = np.empty(nr, np.float32), np.empty(nr, np.float32)
        self._last_in_use = np.full(nr, -1, np.int64)
        self._sparse_hz = _ACCESSES / seconds, _ACCESSES / QUIET_S
        self._sparse_ticks = np.zeros(nr, np.int64)
        self._begins: list[tuple[int, NDArray[np.int64]]] = []
        self._nr_ticks = 0
        self.look()

    def look(self) -> None:
        """Take in the rates of now."""
        self._host.read_load(self._rates, self._touched)
        rate_hz = self._rates * (self._touched > 0.0)
        in_use = rate_hz >= IN_USE_HZ
        quiet = self._nr_ticks - self._last_in_use > round(QUIET_S / TICK_S)
        (began,) = np.nonzero(in_use & quiet)
        if len(began):
            self._begins.append((self._nr_ticks, began))
        if not self._nr_ticks:
            self._in_use_at_first = in_use
        self._last_in_use[in_use] = self._nr_ticks
        low, high = self._sparse_hz
        self._sparse_ticks += (rate_hz >= low) & (rate_hz < high)
        self._nr_ticks += 1

    def truth(self) -> Truth:
        """What was seen so far."""
        by_block: list[list[int]] = [[] for _ in self._rates]
        for tick, blocks in self._begins:
            for block in blocks.tolist():
                by_block[block].append(tick)
        begins = tuple(np.array(ticks, np.int64) for ticks in by_block)
        swept = [a | b for a, b in zip(_swept(begins), _swept(begins[::-1])[::-1], strict=True)]
        is_sequential = np.array([2 * s.sum() >= len(s) > 0 for s in swept])
        nr_uses = np.array([len(ticks) for ticks in begins]) + self._in_use_at_first
        is_sparse = 2 * self._sparse_ticks >= self._nr_ticks
        is_irregular = ~is_sequential & ((nr_uses > 1) | is_sparse)
        return Truth(begins, is_sequential, is_irregular, self._nr_ticks)


def _swept(begins: tuple[NDArray[np.int64], ...]) -> list[Bools]:
    """Of each block's uses, whether they are part of a sweep to later blocks."""
    chains: list[list[NDArray[np.int64]]] = []
    chain_of, before, chain_before = [], np.empty(0, np.int64), np.empty(0, np.int64)
    for ticks in begins:
        chain = np.empty(len(ticks), np.int64)
        nearest = np.searchsorted(before, ticks, side="right") - 1
        for i, (tick, k) in enumerate(zip(ticks.tolist(), nearest.tolist(), strict=True)):
            if k >= 0 and tick - before[k] <= _LINK_S / TICK_S:
                chain[i] = chain_before[k]
            else:
                chain[i] = len(chains)
                chains.append([])
        for number in np.unique(chain).tolist():
            chains[number].append(ticks[chain == number])
        chain_of.append(chain)
        before, chain_before = ticks, chain
    least = max(2 * len(begins) / _CHUNKS, _LEAST_TIMES)
    is_sweep = np.array([_is_sweep(chain, least) for chain in chains], bool)
    return [is_sweep[chain] if len(chain) else np.empty(0, bool) for chain in chain_of]


def _is_sweep(chain: list[NDArray[np.int64]], least_blocks: float) -> bool:
    """``chain`` has the ticks of each of its blocks, neighbour after neighbour."""
    if len(chain) < least_blocks:
        return False
    _, counts = np.unique(np.concatenate(chain), return_counts=True)
    return len(counts) >= _LEAST_TIMES and 2 * counts.max() <= counts.sum()
