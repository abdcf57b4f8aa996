"""Recorded files as text, compressed or not, of bounded size."""

from __future__ import annotations

import zlib
from pathlib import Path

from damon_tuner.errors import RecordingError

MAX_TEXT_BYTES = 64 << 20
# Told from the first bytes: gzip, and zlib at its usual levels.
_COMPRESSED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


def read_text(path: Path) -> str:
    """The file's text, decompressed where it is compressed.

    Raises:
        RecordingError: it cannot be read, is cut off, holds more than 64 MiB, or is not text.

    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise RecordingError(f"cannot be read: {error.strerror or error}") from None
    if data.startswith(b"PERFILE2"):
        raise RecordingError("this is perf's own format: run 'perf script' and bring its output")
    if data.startswith(_COMPRESSED):
        data = _decompress(data)
    if len(data) > MAX_TEXT_BYTES:
        raise RecordingError("holds more than 64 MiB: record less, or in pieces")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise RecordingError("is neither text nor compressed text") from None


def _decompress(data: bytes) -> bytes:
    """All members of a gzip file, or one zlib stream, up to a byte more than is allowed."""
    out = b""
    try:
        while data and len(out) <= MAX_TEXT_BYTES:
            stream = zlib.decompressobj(_GZIP_OR_ZLIB)
            out += stream.decompress(data, MAX_TEXT_BYTES + 1 - len(out))
            if not stream.eof and len(out) <= MAX_TEXT_BYTES:
                raise RecordingError("is cut off: the compressed data has no end")
            data = stream.unused_data
    except zlib.error as error:
        raise RecordingError(f"is damaged: {error}") from None
    return out
