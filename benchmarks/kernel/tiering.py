"""Promotion and demotion between two tiers, by plans: where the pages of a known hot set are.

A process fills the fast node with memory that it never touches again, and then the slow node
with memory that it reads all the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from damon_tuner._core import action_of
from damon_tuner.benchmarks.kernel.load import Load, Part, running
from damon_tuner.benchmarks.kernel.numa import share_on
from damon_tuner.benchmarks.kernel.planned import (
    control_group,
    planned_tenants,
)
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.observe.nodes import BALANCING, nodes
from damon_tuner.kernel_iface.sysfs.tree import Tree

FAST, SLOW = 0, 1
LIMIT_S = 60.0
WANTED_SHARE = 0.9
_AFTER_S = 10.0

_MIB = 1 << 20
_HOT_BYTES = 192 * _MIB
_LEFT_FREE_BYTES = 64 * _MIB
_PAIR_HOT_BYTES, _PAIR_COLD_BYTES = 96 * _MIB, 128 * _MIB
_PAIR_S = 45.0
_LOAD_CPU = 1

_GROUPS = ("tiering",)
_SWIFT = {
    "promote_min_samples_share": -1.0,
    "promote_quota_bytes_per_s": 1.0,
    "demote_min_age_s": -1.0,
    "demote_quota_bytes_per_s": 1.0,
    "fast_free_share": action_of("fast_free_share", 0.2),
    "fast_weight_share": 1.0,
}
# As little as the knobs allow: regions hot in every sample, and a ten-thousandth a second.
_NO_PROMOTION = {"promote_min_samples_share": 1.0, "promote_quota_bytes_per_s": -1.0}
_NO_DEMOTION = {"demote_min_age_s": 1.0, "demote_quota_bytes_per_s": -1.0}
# However much of the fast node is free, what is cold is demoted.
_ALWAYS = {"fast_free_share": 1.0}


def measure() -> dict[str, object]:
    """Put a hot set on the slow node, tier, and say where it is meanwhile.

    Ends at the time limit, or some seconds after the share that is wanted has been reached.
    """
    fast = next(node for node in nodes(Tree(LocalKernel())) if node.number == FAST)
    cold_bytes = (fast.free_bytes - _LEFT_FREE_BYTES) // (2 * _MIB) * 2 * _MIB
    parts = (Part(cold_bytes, node=FAST), Part(_HOT_BYTES, hot=True, node=SLOW))
    shares: list[tuple[float, float]] = []

    def look(at_s: float) -> bool:
        shares.append((round(at_s, 1), round(fast_share(load), 4)))
        reached = _reached_s(shares)
        return reached is not None and at_s >= reached + _AFTER_S

    with (
        _kernel_keeps_still(),
        control_group("tiering") as group,
        running(parts, _LOAD_CPU, group) as load,
        planned_tenants(_GROUPS) as tenants,
    ):
        before = fast_share(load)
        planned = tenants.add("tiering", load.pid, _SWIFT, by_group=True)
        tenants.run(LIMIT_S, look)
        tenants.round()
        seen = planned.snapshots
    return {
        "before": before,
        "shares": shares,
        "fast_share": shares[-1][1],
        "reached_s": _reached_s(shares),
        "hot_bytes": _HOT_BYTES,
        "cold_bytes": cold_bytes,
        "promoted_bytes": seen[-1].promoted_bytes,
        "demoted_bytes": seen[-1].demoted_bytes,
        "slow_heat_shares": [round(each.slow_heat_share, 3) for each in seen],
        "slow_bytes": [each.slow_bytes for each in seen],
    }


def measure_pair() -> dict[str, object]:
    """Tier two control groups by different plans; each has a hot part on the slow node.

    One's plan promotes and hardly demotes, the other's the other way round.
    """
    parts = (Part(_PAIR_COLD_BYTES, node=FAST), Part(_PAIR_HOT_BYTES, hot=True, node=SLOW))
    plans = {
        "promotes": {**_SWIFT, **_NO_DEMOTION},
        "demotes": {**_SWIFT, **_NO_PROMOTION, **_ALWAYS},
    }
    with (
        _kernel_keeps_still(),
        control_group("promotes") as one,
        control_group("demotes") as other,
        running(parts, _LOAD_CPU, one) as first,
        running(parts, _LOAD_CPU, other) as second,
        planned_tenants(_GROUPS) as tenants,
    ):
        loads = dict(zip(plans, (first, second), strict=True))
        before = {name: _shares(load) for name, load in loads.items()}
        seen = {
            name: tenants.add(name, load.pid, plans[name], by_group=True)
            for name, load in loads.items()
        }
        tenants.run(_PAIR_S, lambda at_s: False)
        tenants.round()
        after = {name: _shares(load) for name, load in loads.items()}
        trouble = [tenants.carrier.trouble, *tenants.carrier.node_trouble.values()]
    return {
        "before": before,
        "after": after,
        "promoted_bytes": {name: each.snapshots[-1].promoted_bytes for name, each in seen.items()},
        "demoted_bytes": {name: each.snapshots[-1].demoted_bytes for name, each in seen.items()},
        "trouble": [each for each in trouble if each],
    }


def fast_share(load: Load, *, hot: bool = True) -> float:
    """Which share of the load's reads the fast node serves: it reads all hot pages alike.

    Of its cold parts, with ``hot`` as False, which share is there.
    """
    ranges: Sequence[tuple[int, int]] = load.ranges(hot=hot)
    on_fast = sum(share_on(FAST, load.pid, start, size) * size for start, size in ranges)
    return on_fast / sum(size for _, size in ranges)


def _shares(load: Load) -> dict[str, float]:
    return {
        "hot": round(fast_share(load), 4),
        "cold": round(fast_share(load, hot=False), 4),
    }


def _reached_s(shares: Sequence[tuple[float, float]]) -> float | None:
    return next((at_s for at_s, share in shares if share >= WANTED_SHARE), None)


@contextmanager
def _kernel_keeps_still() -> Iterator[None]:
    """The kernel brings pages to the CPU that reads them, too: what it does is not ours."""
    ledger = Ledger(Tree(LocalKernel()))
    ledger.write(BALANCING, "0")
    try:
        yield
    finally:
        ledger.restore()
