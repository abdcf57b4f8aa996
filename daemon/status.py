"""What the daemon tells the outside: itself, the host and its tenants, as values and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

from damon_tuner.daemon.config import TenantConfig
from damon_tuner.errors import TunerError

DAEMON_PHASES = ("managing", "idle", "paused", "stood down", "stopping")
"""Idle: no tenant is there. Stood down: the host cannot be managed, or DAMON is another's."""

TENANT_PHASES = (
    *("managing", "shadowing", "waiting", "holding", "fallback", "failing", "protected"),
)
"""Waiting: not there now. Holding: the guard holds back. Fallback: the static policy decides."""

GUARD_REASONS = (
    *("limit", "rate", "pressure", "slowdown", "hold", "nonsense", "breach"),
    *("swap", "fast_node", "refaults", "score"),
)
"""What the guard of the decision path calls what it did."""


@dataclass(frozen=True, slots=True)
class TenantStatus:
    """One tenant as of the last decision; no two of a daemon have the same ``name``.

    ``slowdown`` (of the last interval) and ``slowdown_300s`` are estimates, None before there is
    one. ``saved_bytes`` is what is swapped less its part of the compressed pool; while shadowing,
    an estimate. ``guard`` has the guard's reasons at the last decision, ``heat`` the share of
    monitored bytes by class; ``breaches`` counts intervals whose slowdown was over ``budget``.
    """

    name: str
    source: str
    pids: tuple[int, ...]
    phase: str
    reason: str
    budget: float
    price: float
    slowdown: float | None
    slowdown_300s: float | None
    resident_bytes: int
    swapped_bytes: int
    saved_bytes: int
    knobs: Mapping[str, float]
    guard: tuple[str, ...]
    decisions: int
    breaches: int
    heat: Mapping[str, float]
    nr_regions: int


def absent(
    name: str,
    source: str,
    pids: tuple[int, ...],
    phase: str,
    reason: str,
    config: TenantConfig,
) -> TenantStatus:
    """Return the status of a tenant that is not managed."""
    return TenantStatus(
        name=name,
        source=source,
        pids=pids,
        phase=phase,
        reason=reason,
        budget=config.budget,
        price=config.price,
        slowdown=None,
        slowdown_300s=None,
        resident_bytes=0,
        swapped_bytes=0,
        saved_bytes=0,
        knobs={},
        guard=(),
        decisions=0,
        breaches=0,
        heat={},
        nr_regions=0,
    )


@dataclass(frozen=True, slots=True)
class HostStatus:
    """The host's memory; ``pressure`` is the share of time that some task waited for memory."""

    memory_total_bytes: int
    memory_free_bytes: int
    swap_total_bytes: int
    swap_free_bytes: int
    pressure: float


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """The daemon and everything that it manages; ``decision_s`` is what the last round took."""

    version: str
    pid: int
    kernel: str
    mode: str
    phase: str
    reason: str
    started_unix_s: float
    uptime_s: float
    interval_s: float
    policy: str
    policy_sha256: str
    is_fallback: bool
    decisions: int
    last_decision_unix_s: float | None
    decision_s: float
    reloads: int
    failures: int
    host: HostStatus | None
    tenants: tuple[TenantStatus, ...]


def to_dict(status: DaemonStatus) -> dict[str, Any]:
    """Return what JSON can hold; a number that is not finite becomes None."""
    return {name: _plain(value) for name, value in _items(status)}


def to_json(status: DaemonStatus) -> str:
    """Return one line, in ASCII."""
    return json.dumps(to_dict(status), allow_nan=False)


def from_json(text: str) -> DaemonStatus:
    """Return the status that ``to_json`` wrote.

    Raises:
        TunerError: it is no status, or one of another release.
    """
    try:
        told = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _unreadable(str(error)) from error
    return from_dict(told)


def from_dict(told: object) -> DaemonStatus:
    """Return the status that ``to_dict`` made; null is None, or NaN where a number must be.

    Raises:
        TunerError: it is no status, or one of another release.
    """
    try:
        return _object(DaemonStatus, told)
    except ValueError as error:
        raise _unreadable(str(error)) from error


def _unreadable(why: str) -> TunerError:
    return TunerError(
        f"not a status of this release's daemon ({' '.join(why.split())[:200]}): "
        "restart damon-tunerd, and use the damon-tuner that was installed with it"
    )


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value):
        return {name: _plain(each) for name, each in _items(value)}
    return value


def _items(value: object) -> Iterator[tuple[str, object]]:
    return ((field.name, getattr(value, field.name)) for field in fields(value))  # type: ignore[arg-type]


T = TypeVar("T")


def _object(kind: type[T], told: object) -> T:
    """Make a ``kind`` of a table that has exactly its fields."""
    if not isinstance(told, dict):
        raise ValueError(f"no table for {kind.__name__}")
    types = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    if odd := sorted(types.keys() ^ told.keys()):
        what = "is missing" if odd[0] in types else "is unknown"
        raise ValueError(f"{kind.__name__}: {odd[0]!r} {what}")
    try:
        return kind(**{name: _READ[types[name]](value) for name, value in told.items()})
    except (TypeError, OverflowError) as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _is(*kinds: type) -> Callable[[object], Any]:
    def read(value: object) -> object:
        # a bool is an int to isinstance
        if type(value) not in kinds:
            raise TypeError(f"{value!r:.40} is not {kinds[0].__name__}")
        return value

    return read


def _number(value: object) -> float:
    return math.nan if value is None else float(_is(float, int)(value))


def _optional_number(value: object) -> float | None:
    return None if value is None else _number(value)


def _numbers(value: object) -> Mapping[str, float]:
    return {name: _number(each) for name, each in _is(dict)(value).items()}


def _many(read: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    return lambda value: tuple(read(each) for each in _is(list)(value))


# by the annotation of the field
_READ: Mapping[str, Callable[[object], Any]] = {
    "str": _is(str),
    "int": _is(int),
    "bool": _is(bool),
    "float": _number,
    "float | None": _optional_number,
    "tuple[int, ...]": _many(_is(int)),
    "tuple[str, ...]": _many(_is(str)),
    "Mapping[str, float]": _numbers,
    "HostStatus | None": lambda value: None if value is None else _object(HostStatus, value),
    "tuple[TenantStatus, ...]": _many(lambda value: _object(TenantStatus, value)),
}
