"""The kernel's files that calibration reads, below a root that tests can put elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HostFiles:
    """Reads below ``root``; a file that is missing or forbidden reads as None."""

    root: Path = Path("/")

    def text(self, path: str) -> str | None:
        """Return a file's text without surrounding white space."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None

    def number(self, path: str, base: int = 10) -> int | None:
        """Return a file that holds one number."""
        return _int(self.text(path), base)

    def fields(self, path: str) -> dict[str, int]:
        """Return the number after each line's first word, such as ``MemTotal:`` in kB."""
        rows = (line.split() for line in (self.text(path) or "").splitlines())
        found = {row[0].rstrip(":"): _int(row[1]) for row in rows if len(row) > 1}
        return {name: value for name, value in found.items() if value is not None}

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a directory; none where there is no such directory."""
        try:
            return sorted(entry.name for entry in (self.root / path).iterdir())
        except OSError:
            return []


def _int(text: str | None, base: int = 10) -> int | None:
    try:
        return int(text, base) if text is not None else None
    except ValueError:
        return None
