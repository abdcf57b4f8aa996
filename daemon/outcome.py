"""One decision for one tenant, and what it was taken on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from damon_tuner.kernel_iface.host import Snapshot
from damon_tuner.policies.decision import Decision


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen, and decided.

    ``elapsed_s`` is since the start, ``budget`` the share of slowdown allowed. ``snapshot`` is
    as the policy saw it, and ``knobs_before`` are those that the decision replaces. In shadow
    mode nothing ``is_carried_out``. ``note`` says why it is not the learned policy's.
    """

    tenant: str
    elapsed_s: float
    budget: float
    snapshot: Snapshot
    decision: Decision
    knobs_before: Mapping[str, float] = field(default_factory=dict)
    is_carried_out: bool = True
    note: str = ""


def saved_bytes(snapshot: Snapshot) -> int:
    """What is swapped, less its part of what the compressed pool occupies."""
    all_swapped = max(
        snapshot.swap_total_bytes - snapshot.swap_free_bytes, snapshot.swapped_bytes, 1
    )
    pool = snapshot.compressed_bytes * min(snapshot.swapped_bytes / all_swapped, 1.0)
    return max(snapshot.swapped_bytes - int(pool), 0)
