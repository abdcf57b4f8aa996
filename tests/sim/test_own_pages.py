"""A process that runs has a few pages of its own in use, and DAMON finds them."""

from __future__ import annotations

import pytest

from damon_tuner import _core
from damon_tuner.kernel_iface.host import MonitoringAttrs, Region

from .helpers import (
    FOOTPRINT_BYTES,
    MAPPING_START,
    PAGE_BYTES,
    cold_spec,
    fixed_spec,
    running,
    steady_spec,
)

SAMPLES = 20


def _beside_the_mapping(spec: _core.Spec, seconds: float = 30.0) -> list[Region]:
    host = running(spec, seed=3)
    host.advance(seconds)
    end = MAPPING_START + FOOTPRINT_BYTES
    return [r for r in host.snapshot().regions if not MAPPING_START <= r.start < end]


def test_some_pages_of_a_busy_process_are_hit_by_every_look() -> None:
    hottest = [r for r in _beside_the_mapping(cold_spec()) if r.nr_accesses == SAMPLES]
    assert hottest
    assert all(region.end - region.start <= 2 * PAGE_BYTES for region in hottest)


def test_they_lie_below_and_above_the_mapping() -> None:
    hot = [r.start < MAPPING_START for r in _beside_the_mapping(cold_spec()) if r.nr_accesses > 5]
    assert set(hot) == {True, False}


def test_a_process_that_hardly_runs_hardly_uses_them() -> None:
    spec = fixed_spec(
        "diurnal",
        {
            "activity": 0.001,
            "low_share": 0.01,
            "high_share": 0.01,
            "hot_rate_hz": 0.0,
            "background_rate_hz": 0.0,
        },
    )
    assert max(region.nr_accesses for region in _beside_the_mapping(spec)) < 5


@pytest.mark.parametrize("seed", range(3))
def test_the_hottest_page_keeps_lukewarm_memory_together(seed: int) -> None:
    """Counts that differ by a tenth of the highest one are merged: 2 of 20, and not 1 of 14."""
    attrs = MonitoringAttrs(max_nr_regions=1_000)
    host = running(steady_spec(0.1, 200.0, 0.0), seed=seed, attrs=attrs)
    host.advance(60.0)
    assert len(host.snapshot().regions) < 100
