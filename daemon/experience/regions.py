"""Regions in few bytes, for records that are kept by the thousand.

A region is four 64-bit numbers: how far it starts behind the end of the one before, its size, its
accesses and its age. All first numbers come first, then all second ones, and so on; of these, all
lowest bytes come first, then the next ones: most of them are zero, and zlib folds them up.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from damon_tuner.kernel_iface.host import U64_MAX, Region

NR_COLUMNS = 4
MAX_REGIONS = 1 << 16
_WORD = 8
_WINDOW_BITS = 13
_MEMORY_LEVEL = 6
_REGION_BYTES = NR_COLUMNS * _WORD


def pack_regions(regions: Sequence[Region]) -> bytes:
    """Return the regions without their probe hits, compressed.

    Raises:
        ValueError: a number is no unsigned one of 64 bits, or there are more than 65536 regions.
    """
    if len(regions) > MAX_REGIONS:
        raise ValueError(f"{len(regions)} regions are more than {MAX_REGIONS}")
    gaps, end = [], 0
    for region in regions:
        gaps.append((region.start - end) & U64_MAX)
        end = region.end
    columns = (
        *gaps,
        *[(region.end - region.start) & U64_MAX for region in regions],
        *[region.nr_accesses for region in regions],
        *[region.age for region in regions],
    )
    try:
        words = struct.pack(f"<{len(columns)}Q", *columns)
    except struct.error as error:
        raise ValueError(f"regions that make no sense: {error}") from None
    # With a window for about 200 regions, for which it needs a quarter of the usual memory.
    packer = zlib.compressobj(wbits=_WINDOW_BITS, memLevel=_MEMORY_LEVEL)
    planes = b"".join(words[k::_WORD] for k in range(_WORD))
    return packer.compress(planes) + packer.flush()


def unpack_regions(packed: bytes) -> tuple[Region, ...]:
    """Return what ``pack_regions`` was given; raises ``ValueError`` for anything else."""
    words = region_words(packed)
    numbers = struct.unpack(f"<{len(words) // _WORD}Q", words)
    nr = len(numbers) // NR_COLUMNS
    regions, end = [], 0
    for gap, size, nr_accesses, age in zip(
        *(numbers[k * nr : (k + 1) * nr] for k in range(NR_COLUMNS)), strict=True
    ):
        start = (end + gap) & U64_MAX
        end = (start + size) & U64_MAX
        regions.append(Region(start, end, nr_accesses, age))
    return tuple(regions)


def nr_regions(packed: bytes) -> int:
    """Return how many regions were packed; raises ``ValueError`` as ``region_words``."""
    return len(region_words(packed)) // _REGION_BYTES


def region_words(packed: bytes) -> bytes:
    """Return the four columns (see above) as little-endian words, one column after another.

    Raises:
        ValueError: that is not what was packed, or it holds more than 65536 regions.
    """
    stream = zlib.decompressobj()
    try:
        planes = stream.decompress(packed, MAX_REGIONS * _REGION_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged regions: {error}") from None
    if not stream.eof or stream.unused_data or len(planes) % _REGION_BYTES:
        raise ValueError("damaged regions: cut off, or too many")
    words = bytearray(len(planes))
    nr_words = len(planes) // _WORD
    for k in range(_WORD):
        words[k::_WORD] = planes[k * nr_words : (k + 1) * nr_words]
    return bytes(words)
