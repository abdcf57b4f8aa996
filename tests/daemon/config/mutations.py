"""Hostile configurations: a good one, damaged in ways that files and hands do."""

from __future__ import annotations

import random
from collections.abc import Callable

_MOST_CHANGES = 6

_WORDS: tuple[bytes, ...] = (
    b'"',
    b"'",
    b'"""',
    b"'''",
    b"[",
    b"[[",
    b"]",
    b"{",
    b"}",
    b"=",
    b".",
    b",",
    b"#",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    "\u2028".encode(),
    b"\\u0000",
    b"\\U0010ffff",
    b"\\ud800",
    b"inf",
    b"nan",
    b"-nan",
    b"true",
    b"-1",
    b"1e400",
    b"9" * 5000,
    b"0x" + b"f" * 5000,
    b"1979-05-27T07:32:00Z",
    b"07:32:00",
    b"[" * 2000,
    b"a." * 2000,
    b"{a=" * 500,
    b"../..",
    b"*" * 60,
    b"%s%n{0}",
    b"99999999999999999999s",
    b"0.000000000000001%",
    b"1KiB/s",
    b"\n[tenants.x]\n",
    b"\n[tenants.x.score]\n",
    b"\n[[tenants]]\n",
    b"\ntenants = 3\n",
)


def mutated(seed_bytes: bytes, rng: random.Random) -> bytes:
    """``seed_bytes`` after one to a few random changes; the same for the same state of ``rng``."""
    raw = seed_bytes
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        raw = rng.choice(_CHANGES)(raw, rng)
    return raw


def _somewhere(raw: bytes, rng: random.Random) -> tuple[int, int]:
    """The two ends of a piece, mostly a short one."""
    start = rng.randint(0, len(raw))
    longest = rng.choice((1, 8, 64, len(raw)))
    return start, min(len(raw), start + rng.randint(0, longest))


def _flip(raw: bytes, rng: random.Random) -> bytes:
    if not raw:
        return raw
    at = rng.randrange(len(raw))
    # the highest bit, which makes it no text, is one of many
    bit = 1 << rng.choice((0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 7))
    return raw[:at] + bytes([raw[at] ^ bit]) + raw[at + 1 :]


def _remove(raw: bytes, rng: random.Random) -> bytes:
    start, end = _somewhere(raw, rng)
    return raw[:start] + raw[end:]


def _cut(raw: bytes, rng: random.Random) -> bytes:
    return raw[: rng.randint(0, len(raw))]


def _repeat(raw: bytes, rng: random.Random) -> bytes:
    start, end = _somewhere(raw, rng)
    piece = raw[start:end]
    # a few KiB, so that many changes in a row still make a file
    times = rng.randint(2, max(2, min(200, 4096 // max(1, len(piece)))))
    return raw[:start] + piece * times + raw[end:]


def _move(raw: bytes, rng: random.Random) -> bytes:
    start, end = _somewhere(raw, rng)
    piece, rest = raw[start:end], raw[:start] + raw[end:]
    at = rng.randint(0, len(rest))
    return rest[:at] + piece + rest[at:]


def _insert(raw: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(raw))
    return raw[:at] + rng.choice(_WORDS) + raw[at:]


def _random_bytes(raw: bytes, rng: random.Random) -> bytes:
    start, end = _somewhere(raw, rng)
    most = rng.choice((0x7F, 0x7F, 0x7F, 0xFF))
    noise = bytes(byte & most for byte in rng.randbytes(rng.randint(0, 32)))
    return raw[:start] + noise + raw[end:]


def _another_value(raw: bytes, rng: random.Random) -> bytes:
    """Put a word in place of what follows some equals sign."""
    lines = raw.split(b"\n")
    settings = [i for i, line in enumerate(lines) if b"=" in line]
    if settings:
        i = rng.choice(settings)
        lines[i] = lines[i].split(b"=")[0] + b"= " + rng.choice(_WORDS)
    return b"\n".join(lines)


def _swap_values(raw: bytes, rng: random.Random) -> bytes:
    """Let two settings have each other's value: the right form in the wrong place."""
    lines = raw.split(b"\n")
    settings = [i for i, line in enumerate(lines) if b"=" in line]
    if len(settings) >= 2:
        i, j = rng.sample(settings, 2)
        (key_i, value_i), (key_j, value_j) = (lines[n].split(b"=", 1) for n in (i, j))
        lines[i], lines[j] = key_i + b"=" + value_j, key_j + b"=" + value_i
    return b"\n".join(lines)


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _remove,
    _cut,
    _repeat,
    _move,
    _insert,
    _random_bytes,
    _another_value,
    _swap_values,
)
