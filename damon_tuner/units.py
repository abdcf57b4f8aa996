"""Sizes and rates that people read."""

from __future__ import annotations


def size_text(size_bytes: int) -> str:
    """Write a size with three digits, such as 1.00 GiB."""
    size, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1000:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"


def rate_text(rate_bytes_per_s: float) -> str:
    """Write a rate with three digits, such as 1.5 MiB/s."""
    return f"{size_text(int(rate_bytes_per_s))}/s"
