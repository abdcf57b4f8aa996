"""One decision and what led to it, as a line of JSON with a checksum."""

from __future__ import annotations

import base64
import math
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from damon_tuner.checked_line import checked_line, read_checked_line
from damon_tuner.daemon.experience.regions import pack_regions, region_words
from damon_tuner.daemon.outcome import saved_bytes
from damon_tuner.kernel_iface.host import U64_MAX, Snapshot
from damon_tuner.policies.decision import Decision

FORMAT = 1
"""Raised when a field changes its meaning."""


@dataclass(frozen=True, slots=True)
class Experience:
    """What was seen of one tenant at one decision, and what was decided.

    ``run`` names one run of the daemon. ``observation`` and ``action`` are float32 values, and
    empty for a static policy; ``schema`` is the hash of what they mean. ``slowdown`` is the share
    that faults cost since the decision before, None where nobody estimated it. ``saved_bytes``
    is what is swapped less its part of the compressed pool. ``regions`` are
    as ``pack_regions`` makes them. In shadow ``mode`` nothing that was decided was done, and
    ``slowdown``, ``resident_bytes`` and ``swapped_bytes`` are what the policy was told.
    """

    time_s: float
    run: str
    tenant: str
    mode: str
    policy_sha256: str
    schema: str
    budget: float
    interval_s: float
    observation: tuple[float, ...]
    action: tuple[float, ...]
    knobs: Mapping[str, float]
    reasons: tuple[str, ...]
    slowdown: float | None
    resident_bytes: int
    swapped_bytes: int
    compressed_bytes: int
    saved_bytes: int
    memory_total_bytes: int
    sample_us: int
    aggr_us: int
    regions: bytes

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        decision: Decision,
        *,
        time_s: float,
        run: str,
        tenant: str,
        mode: str,
        policy_sha256: str,
        budget: float,
        interval_s: float,
    ) -> Self:
        """Make the record of a decision; ``time_s`` is Unix time."""
        return cls(
            time_s=time_s,
            run=run,
            tenant=tenant,
            mode=str(mode),
            policy_sha256=policy_sha256,
            schema=decision.schema.hash,
            budget=budget,
            interval_s=interval_s,
            observation=decision.observation,
            action=decision.action,
            knobs=decision.knobs,
            reasons=decision.reasons,
            slowdown=decision.slowdown if math.isfinite(decision.slowdown) else None,
            resident_bytes=snapshot.resident_bytes,
            swapped_bytes=snapshot.swapped_bytes,
            compressed_bytes=snapshot.compressed_bytes,
            saved_bytes=saved_bytes(snapshot),
            memory_total_bytes=snapshot.memory_total_bytes,
            sample_us=snapshot.intervals.sample_us,
            aggr_us=snapshot.intervals.aggr_us,
            regions=pack_regions(snapshot.regions),
        )


def new_run() -> str:
    """Return a name that no other run of the daemon has, on no host."""
    return os.urandom(16).hex()


def encode(record: Experience) -> bytes:
    """Return the line of a record.

    Raises:
        ValueError: a number is none that JSON or a float32 can hold.
    """
    content = {field.name: getattr(record, field.name) for field in fields(record)}
    return checked_line(
        {
            **content,
            "format": FORMAT,
            "knobs": dict(record.knobs),
            "observation": _floats_text(record.observation),
            "action": _floats_text(record.action),
            "regions": base64.b64encode(record.regions).decode(),
        }
    )


def decode(line: bytes) -> Experience | None:
    """Return what ``encode`` was given, or None if another release's ``encode`` wrote it.

    Raises:
        ValueError: the line is cut off or altered.
    """
    content = read_checked_line(line)
    try:
        if content["format"] != FORMAT:
            return None
        return Experience(**{name: read(content[name]) for name, read in _READERS.items()})
    except (KeyError, OverflowError) as error:
        raise ValueError(f"not a record: {error!r}") from None


def _floats_text(values: tuple[float, ...]) -> str:
    try:
        return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
    except (struct.error, OverflowError) as error:
        raise ValueError(f"not a float32: {error}") from None


def _floats(value: Any) -> tuple[float, ...]:
    data = _bytes(value)
    if len(data) % 4:
        raise ValueError("not whole float32s")
    return struct.unpack(f"<{len(data) // 4}f", data)


def _bytes(value: Any) -> bytes:
    return base64.b64decode(_text(value), validate=True)


def _regions(value: Any) -> bytes:
    packed = _bytes(value)
    region_words(packed)
    return packed


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"not a text: {value!r}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"not a list: {value!r}")
    return tuple(_text(each) for each in value)


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"not a number: {value!r}")
    return float(value)


def _number_if_any(value: Any) -> float | None:
    return None if value is None else _number(value)


def _numbers(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ValueError(f"no names and numbers: {value!r}")
    return {name: _number(each) for name, each in value.items()}


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= U64_MAX:
        raise ValueError(f"not a count: {value!r}")
    return value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "time_s": _number,
    "run": _text,
    "tenant": _text,
    "mode": _text,
    "policy_sha256": _text,
    "schema": _text,
    "budget": _number,
    "interval_s": _number,
    "observation": _floats,
    "action": _floats,
    "knobs": _numbers,
    "reasons": _texts,
    "slowdown": _number_if_any,
    "resident_bytes": _count,
    "swapped_bytes": _count,
    "compressed_bytes": _count,
    "saved_bytes": _count,
    "memory_total_bytes": _count,
    "sample_us": _count,
    "aggr_us": _count,
    "regions": _regions,
}
