"""Prometheus's text exposition, version 0.0.4: families of samples, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Sample = tuple[Mapping[str, str], float | None]
"""Labels and a value; None where there is no value now."""


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name; a counter's name ends in ``_total``, every other is a gauge."""

    name: str
    help: str
    samples: tuple[Sample, ...]


def exposition(families: Iterable[Family]) -> str:
    """Return the lines of all families; samples without a value are left out."""
    return "".join(f"{line}\n" for family in families for line in _lines(family))


def _lines(family: Family) -> list[str]:
    kind = "counter" if family.name.endswith("_total") else "gauge"
    samples = [
        f"{family.name}{_labels(labels)} {_number(value)}"
        for labels, value in family.samples
        if value is not None and not math.isnan(value)
    ]
    if not samples:
        return []
    return [
        f"# HELP {family.name} {_escaped(family.help)}",
        f"# TYPE {family.name} {kind}",
        *samples,
    ]


def _labels(labels: Mapping[str, str]) -> str:
    told = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')


def _escaped(text: str) -> str:
    # names of the kernel need not be UTF-8, which Python keeps as lone surrogates
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    # what counts, a truth among it, without a decimal point
    return f"{value:d}" if isinstance(value, int) else repr(value)
