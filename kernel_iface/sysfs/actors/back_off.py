"""Patience with what has failed: it is tried again, but each time later."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

_FIRST_US = 10_000_000
_LONGEST_US = 3_600_000_000

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Failures:
    """How often something has failed in a row, and until when it rests; None is for good."""

    nr: int
    until_us: int | None


class BackOff(Generic[_Key]):
    """Remembers failures: 10 s of rest after the first, twice as long each time, at most 1 h."""

    def __init__(self) -> None:
        self._failed: dict[_Key, Failures] = {}

    def failed(self, key: _Key, now_us: int, *, for_good: bool = False) -> None:
        """Note a failure; ``for_good`` is for what cannot get better."""
        nr = self._failed[key].nr + 1 if key in self._failed else 1
        # The cap on the exponent only keeps the number small.
        rest_us = min(_FIRST_US << min(nr - 1, 20), _LONGEST_US)
        self._failed[key] = Failures(nr, None if for_good else now_us + rest_us)

    def succeeded(self, key: _Key) -> None:
        """Forget the failures of ``key``."""
        self._failed.pop(key, None)

    def rests(self, key: _Key, now_us: int) -> bool:
        """Tell whether ``key`` is to be left alone now."""
        found = self._failed.get(key)
        return found is not None and (found.until_us is None or now_us < found.until_us)

    @property
    def failures(self) -> dict[_Key, Failures]:
        """Everything that has failed and not succeeded since."""
        return dict(self._failed)
