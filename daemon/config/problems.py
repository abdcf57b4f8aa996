"""What is wrong with a configuration: a line for each problem, until there are too many."""

from __future__ import annotations

from pathlib import Path

from damon_tuner.daemon.config.toml_text import key_text
from damon_tuner.daemon.config.words import printable, shortened
from damon_tuner.errors import ConfigError

Where = tuple[str, ...]
"""The names of tables, and the key, from the outermost on."""

MOST_PROBLEMS = 100


class Problems:
    """Collects problems, so that all are told at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._places: list[Where] = []

    def add(self, file: Path, where: Where, what: str) -> None:
        """Note what is wrong at ``where`` in ``file``; an empty place is the whole file.

        Raises:
            ConfigError: there are so many that looking for more would be no help.

        """
        place = f"{dotted(tuple(map(shortened, where)))}: " if where else ""
        self._lines.append(f"{printable(str(file))}: {place}{what}")
        self._places.append(where)
        if len(self._lines) == MOST_PROBLEMS:
            self._lines.append(f"{printable(str(file))}: there may be more; mend these first")
            self.raise_if_any()

    def within(self, table: Where) -> bool:
        """Whether something is wrong in ``table``, or with a whole file, which may hold it."""
        return any(not place or place[: len(table)] == table for place in self._places)

    def raise_if_any(self) -> None:
        """Raise ``ConfigError`` with all problems, if there are any."""
        if self._lines:
            raise ConfigError(self._lines)


def dotted(where: Where) -> str:
    """A key with its tables, as TOML writes it."""
    return ".".join(map(key_text, where))
