"""A static policy's watermarks, looked at here instead of in the kernel.

While they let a scheme sleep, DAMON sleeps with it for the whole of their interval, seconds long,
and answers nobody meanwhile: each look at a tenant would take that long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from damon_tuner.kernel_iface.host import Scheme, Snapshot, WatermarkMetric, Watermarks


class WatermarkSwitch:
    """Switches schemes on and off as DAMON does, at every decision."""

    def __init__(self) -> None:
        self._active: tuple[bool, ...] = ()

    def running(self, schemes: Sequence[Scheme], snapshot: Snapshot) -> tuple[Scheme, ...]:
        """Return the schemes that are active now, without their watermarks."""
        free = snapshot.memory_free_bytes * 1_000 // max(snapshot.memory_total_bytes, 1)
        before = (*self._active, *[False] * len(schemes))
        self._active = tuple(
            _is_active(scheme.watermarks, free, was)
            for scheme, was in zip(schemes, before, strict=False)
        )
        return tuple(
            replace(scheme, watermarks=Watermarks())
            for scheme, is_active in zip(schemes, self._active, strict=True)
            if is_active
        )


def _is_active(marks: Watermarks, free_permille: int, was_active: bool) -> bool:
    """As DAMON has it: off outside of low to high, on below mid, as before in between."""
    if marks.metric is WatermarkMetric.NONE:
        return True
    if not marks.low_permille <= free_permille <= marks.high_permille:
        return False
    return was_active or free_permille < marks.mid_permille
