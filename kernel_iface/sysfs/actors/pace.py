"""How much an actor may do in each reset interval, charged as DAMON charges a scheme's quota."""

from __future__ import annotations

from dataclasses import dataclass

_US_PER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Pace:
    """At most ``amount`` in each reset interval, in the unit that the request names."""

    amount: int
    reset_interval_ms: int

    def __post_init__(self) -> None:
        """Refuse a pace that would never or always allow (``ValueError``)."""
        if self.amount < 1 or self.reset_interval_ms < 1:
            raise ValueError("a pace needs an amount and a reset interval of at least 1")


class Allowance:
    """What is left of a pace in the interval that runs; the first begins when first asked."""

    def __init__(self) -> None:
        self.nr_exceeds = 0
        self._began_us: int | None = None
        self._charged = 0
        self._exceeded = False

    def left(self, pace: Pace, wanted: int, now_us: int) -> int:
        """Return how much of ``wanted`` may be done now."""
        if (
            self._began_us is None
            or now_us >= self._began_us + pace.reset_interval_ms * _US_PER_MS
        ):
            self._began_us, self._charged, self._exceeded = now_us, 0, False
        left = max(0, pace.amount - self._charged)
        if wanted > left and not self._exceeded:
            self._exceeded = True
            self.nr_exceeds += 1
        return min(wanted, left)

    def charge(self, amount: int) -> None:
        """Note that so much was tried."""
        self._charged += amount
