"""Quantities with their unit: ``"5s"``, ``"64MiB"``, ``"16MiB/s"``, ``"2%"``, ``"50000/s"``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from damon_tuner.daemon.config.toml_text import quoted
from damon_tuner.daemon.config.words import is_number, shown

# as many digits as it takes to write the smallest float
_QUANTITY = re.compile(r"([0-9]{1,32}(?:\.[0-9]{1,400})?) ?([A-Za-z/%]{1,8})")

Scale = tuple[int, int]
"""What a number is multiplied with: a power of ten, and a factor.

The power goes into the number's text, so that "0.1%" is the float nearest to a thousandth.
"""

_BINARY = {"B": (0, 1), "KiB": (0, 1 << 10), "MiB": (0, 1 << 20), "GiB": (0, 1 << 30)}
BYTES: Mapping[str, Scale] = {**_BINARY, "TiB": (0, 1 << 40)}
BYTES_PER_S: Mapping[str, Scale] = {f"{name}/s": scale for name, scale in _BINARY.items()}
SECONDS: Mapping[str, Scale] = {
    "us": (-6, 1),
    "ms": (-3, 1),
    "s": (0, 1),
    "min": (0, 60),
    "h": (0, 3600),
}
MICROSECONDS: Mapping[str, Scale] = {"us": (0, 1), "ms": (3, 1), "s": (6, 1)}
SHARE: Mapping[str, Scale] = {"%": (-2, 1)}
PER_S: Mapping[str, Scale] = {"/s": (0, 1)}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with one of ``units`` (from small to large), from ``low`` to ``high``."""

    noun: str
    units: Mapping[str, Scale]
    low: float
    high: float
    example: str

    def read(self, value: object) -> float:
        """The value without its unit; raises ``ValueError``, which says what to write."""
        such_as = f"such as {quoted(self.example)}"
        if is_number(value):
            raise ValueError(f"{shown(value)} has no unit; write a {self.noun} {such_as}")
        match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
        if match is None or match[2] not in self.units:
            raise ValueError(
                f"{shown(value)} is not a {self.noun}; write a number with {self._units()}, "
                f"{such_as}"
            )
        number = self._value(match[1], match[2])
        if not self.low <= number <= self.high:
            raise ValueError(
                f"{shown(value)} is out of range; write {self.write(self.low)} to "
                f"{self.write(self.high)}"
            )
        return number

    def write(self, value: float) -> str:
        """The shortest text with which ``read`` gives exactly ``value``."""
        for unit in reversed(list(self.units)):
            number = self._number(value, unit)
            if "." not in number and self._value(number, unit) == value:
                return quoted(number + unit)
        # a unit that only moves the decimal point loses nothing; the one that least moves it
        unit = min(self.units, key=lambda name: (self.units[name][1], abs(self.units[name][0])))
        return quoted(self._number(value, unit) + unit)

    def _value(self, number: str, unit: str) -> float:
        power, factor = self.units[unit]
        return float(f"{number}e{power}") * factor

    def _number(self, value: float, unit: str) -> str:
        # only needed to write, which a daemon that runs does not
        from decimal import Decimal

        power, factor = self.units[unit]
        number = Decimal(repr(float(value) / factor)).scaleb(-power)
        return f"{number.normalize():f}"

    def _units(self) -> str:
        names = list(self.units)
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


@dataclass(frozen=True, slots=True)
class Size:
    """A number of whole bytes."""

    quantity: Quantity

    def read(self, value: object) -> int:
        """Bytes; raises ``ValueError``, which says what to write."""
        return round(self.quantity.read(value))

    def write(self, value: int) -> str:
        """Text with which ``read`` gives ``value``."""
        return self.quantity.write(value)
