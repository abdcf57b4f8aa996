"""The schemes that run in the guest and in the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from damon_tuner.kernel_iface.host import AccessPattern, Action, Quota, Scheme

_IDLE = AccessPattern(min_sz_bytes=4096, max_nr_accesses=0, min_age=20)

SCHEMES: Mapping[str, tuple[Scheme, ...]] = MappingProxyType(
    {
        "pageout_quota": (
            Scheme(
                Action.PAGEOUT,
                _IDLE,
                Quota(
                    sz_bytes=4 << 20,
                    reset_interval_ms=1000,
                    weight_nr_accesses_permille=300,
                    weight_age_permille=700,
                ),
            ),
        ),
        "pageout_goal": (Scheme(Action.PAGEOUT, _IDLE, Quota(reset_interval_ms=200)),),
    }
)

GOAL_TARGET = 10_000
# What the user says of the goal, from which second on: too little, less, too much, far too much.
GOAL_VALUES = (
    (0.0, 0),
    (5.0, 5_000),
    (8.0, 9_000),
    (12.0, 12_000),
    (16.0, 10_000),
    (18.0, 0),
    (20.0, 17_500),
    (22.0, 30_000),
    (24.0, 2_500),
    (29.0, 9_990),
)
