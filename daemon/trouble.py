"""Tenants that fail: how often, with what, and when each is tried again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

FAILURES_IN_A_ROW = 3
"""After so many a tenant is let go, and tried again after a while that doubles."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 30.0, 900.0


@dataclass(slots=True)
class _Trouble:
    """Of one tenant: when it is tried again, and for how long it pauses after the next failure."""

    reason: str = ""
    in_a_row: int = 0
    retry_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S


class Troubles:
    """What each tenant has failed with, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, _Trouble] = {}

    def note(self, name: str, reason: str, now_s: float, *, is_last: bool) -> tuple[bool, bool]:
        """Note a failure; return whether it is news, and whether the tenant is to be let go.

        ``is_last`` says that there is nothing to let go but the hope.
        """
        trouble = self._by_name.setdefault(name, _Trouble())
        is_news = trouble.reason != reason
        trouble.reason = reason
        trouble.in_a_row += 1
        gives_up = is_last or trouble.in_a_row >= FAILURES_IN_A_ROW
        if gives_up:
            trouble.in_a_row = 0
            trouble.retry_s = now_s + trouble.pause_s
            trouble.pause_s = min(2 * trouble.pause_s, LONGEST_PAUSE_S)
        return is_news, gives_up

    def is_over(self, name: str) -> None:
        """A tenant that failed does not any more."""
        self._by_name.pop(name, None)

    def may_try(self, name: str, now_s: float) -> bool:
        """Whether a tenant may be tried (again)."""
        trouble = self._by_name.get(name)
        return trouble is None or now_s >= trouble.retry_s

    def reason(self, name: str) -> str:
        """What a tenant failed with last; empty when it does not fail."""
        trouble = self._by_name.get(name)
        return "" if trouble is None else trouble.reason

    def keep(self, names: Collection[str]) -> None:
        """Forget all that are not among these."""
        self._by_name = {n: t for n, t in self._by_name.items() if n in names}

    def clear(self) -> None:
        """Let all be tried at once."""
        self._by_name.clear()
