"""What it costs to compress a page, and to get it back, on pages of this very process."""

from __future__ import annotations

import re

from damon_tuner import _core
from damon_tuner.kernel_iface.calibrate.area import PAGE_BYTES
from damon_tuner.kernel_iface.calibrate.finding import Finding, measured, missing
from damon_tuner.kernel_iface.calibrate.limits import Limits

_MOST_BYTES = 8 << 20
_LEAST_PAGES = 64
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p \S+ 00:00 0\s*(\[heap\])?$", re.MULTILINE)


def findings(bounds: Limits) -> list[Finding]:
    """Time to compress and restore a page, and the ratio that it gave.

    They inform, and stay out of the profile: the kernel's compressor is another, and what this
    process holds is not what the host's tenants hold.
    """
    pages = _own_pages(min(_MOST_BYTES, bounds.max_bytes // 4))
    nr_pages = len(pages) // PAGE_BYTES
    if nr_pages < _LEAST_PAGES:
        return [missing("page_compress_us", "this process cannot read its own pages")]
    runs = [_core.bench_compression(pages, PAGE_BYTES) for _ in range(bounds.repeats)]
    _, _, nr_stored, stored_bytes = runs[0]
    how = f"of {nr_pages} of this process's pages, with a compressor like lz4"
    found = [
        measured("page_compress_us", "us", [run[0] / nr_pages / 1e3 for run in runs], how),
        measured("page_incompressible_share", "share", [1 - nr_stored / nr_pages], how),
    ]
    if nr_stored:
        ratio = nr_stored * PAGE_BYTES / stored_bytes
        found += [
            measured("page_decompress_us", "us", [run[1] / nr_stored / 1e3 for run in runs], how),
            measured("page_compression_ratio", "ratio", [ratio], how),
        ]
    return found


def _own_pages(most_bytes: int) -> bytes:
    """Pages of this process's heap and anonymous mappings that hold something."""
    held = bytearray()
    try:
        with (
            open("/proc/self/maps", encoding="utf-8") as maps,
            open("/proc/self/mem", "rb", buffering=0) as memory,
        ):
            for match in _MAPPING.finditer(maps.read()):
                start, end = (int(match[group], 16) for group in (1, 2))
                memory.seek(start)
                _keep_used(held, memory.read(min(end - start, most_bytes)) or b"", most_bytes)
    except OSError:
        return bytes(held)
    return bytes(held)


def _keep_used(held: bytearray, content: bytes, most_bytes: int) -> None:
    empty = bytes(PAGE_BYTES)
    for at in range(0, len(content) - PAGE_BYTES + 1, PAGE_BYTES):
        if len(held) + PAGE_BYTES > most_bytes:
            return
        page = content[at : at + PAGE_BYTES]
        if page != empty:
            held += page
