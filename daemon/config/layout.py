"""Which tables and keys a configuration has, and what each key becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from damon_tuner._core import KNOB_GROUPS
from damon_tuner.daemon.config.kinds import (
    AbsolutePath,
    CgroupPath,
    Choice,
    Command,
    FolderOrNone,
    Kind,
    Number,
    Several,
    UnitName,
    Whole,
)
from damon_tuner.daemon.config.model import Mode
from damon_tuner.daemon.config.quantities import (
    BYTES,
    BYTES_PER_S,
    MICROSECONDS,
    PER_S,
    SECONDS,
    SHARE,
    Quantity,
    Size,
)
from damon_tuner.policies.decision import SLOWDOWN_OF
from damon_tuner.policies.rules import STATIC_POLICIES

TENANT_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
MOST_TENANTS = 256
_MOST_GLOBS = 256
_MOST_PID = 1 << 22
# what fits into the address of a socket, less the NUL behind it
_MOST_SOCKET_BYTES = 107


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the file: the field that it sets, and the kind of its value."""

    field: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Table:
    """What a table may hold: keys, tables of known names, and ``each`` of names of the user's."""

    keys: Mapping[str, Key] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    each: Table | None = None

    def known(self) -> list[str]:
        """The names that may stand in it."""
        return [*self.keys, *self.tables]


def _time(low: float, high: float, example: str) -> Quantity:
    return Quantity("time", SECONDS, low, high, example)


def _share(low: float, example: str) -> Quantity:
    return Quantity("share", SHARE, low, 1.0, example)


_FAULT_TIME = Quantity("time", MICROSECONDS, 0.1, 1e6, "80us")

_BUDGET = Key("budget", _share(1e-6, "2%"))
_SLOWDOWN_OF = Key("slowdown_of", Choice(list(SLOWDOWN_OF)))

# The ends that loosen are the guard's own: a configuration can only be stricter.
_LIMITS = Table(
    {
        "min_age": Key("min_age_s", _time(2.0, 3600.0, "30s")),
        "max_quota": Key(
            "max_quota_bytes_per_s",
            Quantity("rate", BYTES_PER_S, 4096.0, float(4 << 30), "16MiB/s"),
        ),
        "max_age_division": Key("max_age_division", Number(1.01, 4.0)),
    }
)

_SCORE = Table(
    {
        "file": Key("file", AbsolutePath()),
        "command": Key("command", Command()),
        "floor": Key("floor", Number(-1e300, 1e300)),
        "timeout": Key("timeout_s", _time(0.1, 60.0, "2s")),
    }
)

TENANT = Table(
    {
        "pid": Key("pid", Whole(2, _MOST_PID)),
        "pid_file": Key("pid_file", AbsolutePath()),
        "unit": Key("unit", UnitName()),
        "cgroup": Key("cgroup", CgroupPath()),
        "budget": _BUDGET,
        "slowdown_of": _SLOWDOWN_OF,
        "price": Key("price", Number(0.001, 1000.0)),
    },
    {"limits": _LIMITS, "score": _SCORE},
)

_BREAKER = Table(
    {
        "max_pressure": Key("max_pressure", _share(0.01, "25%")),
        "min_swap_free": Key("min_swap_free", _share(0.0, "5%")),
        "min_fast_node_free": Key("min_fast_node_free", _share(0.0, "0.2%")),
        "max_refaults": Key(
            "max_refaults_per_s", Quantity("count per second", PER_S, 1.0, 1e9, "50000/s")
        ),
    }
)

_EXPERIENCE = Table(
    {
        "folder": Key("folder", FolderOrNone()),
        "max_size": Key(
            "max_bytes", Size(Quantity("size", BYTES, float(1 << 20), float(1 << 40), "64MiB"))
        ),
    }
)

ROOT = Table(
    {
        "mode": Key("mode", Choice([mode.value for mode in Mode])),
        "interval": Key("interval_s", _time(0.5, 60.0, "5s")),
        "budget": _BUDGET,
        "slowdown_of": _SLOWDOWN_OF,
        "max_tenants": Key("max_tenants", Whole(1, 32)),
        "policy": Key("policy", AbsolutePath()),
        "fallback": Key("fallback", Choice(list(STATIC_POLICIES))),
        "knob_groups": Key(
            "knob_groups", Several(Choice(list(KNOB_GROUPS)), 1, 16, '["reclaim"]')
        ),
        "khugepaged": Key("khugepaged", Choice(["alone", "tamed"])),
        "protected_cgroups": Key(
            "protected_cgroups",
            Several(CgroupPath(), 0, _MOST_GLOBS, '["init.scope", "system.slice/ssh*"]'),
        ),
        "swap_in": Key("swap_in_us", _FAULT_TIME),
        "disk_in": Key("disk_in_us", _FAULT_TIME),
        "socket": Key("socket", AbsolutePath(_MOST_SOCKET_BYTES)),
        "metrics": Key("metrics", AbsolutePath()),
        "log": Key("log", Choice(["text", "json"])),
    },
    {
        "limits": _LIMITS,
        "breaker": _BREAKER,
        "experience": _EXPERIENCE,
        "tenants": Table(each=TENANT),
    },
)
