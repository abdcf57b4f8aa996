"""What the loads fill their memory with."""

from __future__ import annotations

from random import Random

_BLOB_BYTES = 1 << 20


class Values:
    """Values of one size, half of it noise and half of it text: about as compressible as data."""

    def __init__(self, size_bytes: int, rng: Random) -> None:
        self._noise = rng.randbytes(_BLOB_BYTES)
        self._text = (b'{"user": "someone", "state": "active"}, ' * size_bytes)[: size_bytes // 2]
        self._size_bytes = size_bytes
        self._rng = rng

    def draw(self) -> bytes:
        """One value, of printable bytes in its second half only."""
        nr_noise = self._size_bytes - len(self._text)
        at = self._rng.randrange(_BLOB_BYTES - nr_noise)
        return self._noise[at : at + nr_noise] + self._text
