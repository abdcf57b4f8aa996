"""One JSON object a line, with a checksum that tells a line that was cut off or altered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def checked_line(content: Mapping[str, Any]) -> bytes:
    """Return the line of ``content``, which ends in a newline and holds no other.

    Raises:
        ValueError: it holds a number that JSON has no word for.
    """
    text = _canonical(content)
    return f'{{"sum":"{_checksum(text)}","record":{text}}}\n'.encode()


def read_checked_line(line: bytes) -> dict[str, Any]:
    """Return what ``checked_line`` was given.

    Raises:
        ValueError: the line is not as it was written.
    """
    try:
        parsed = json.loads(line)
        content: dict[str, Any] = parsed["record"]
        is_intact = parsed["sum"] == _checksum(_canonical(content))
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError("not a line with a checksum") from error
    if not is_intact or not isinstance(content, dict):
        raise ValueError("not as it was written")
    return content


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
