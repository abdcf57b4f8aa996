"""A static policy's watermarks: on and off as in the kernel, which never gets to see them."""

import pytest

from damon_tuner.daemon.watermarks import WatermarkSwitch
from damon_tuner.kernel_iface.host import Intervals, Snapshot, WatermarkMetric, Watermarks
from damon_tuner.policies.rules.damon_reclaim import DamonReclaim
from damon_tuner.policies.rules.page_out import PageOut


def seen(free_permille: int) -> Snapshot:
    return Snapshot(
        time_us=0,
        intervals=Intervals(),
        regions=(),
        scheme_stats=(),
        resident_bytes=0,
        swapped_bytes=0,
        compressed_bytes=0,
        memory_total_bytes=1_000,
        memory_free_bytes=free_permille,
        swap_total_bytes=0,
        swap_free_bytes=0,
        major_faults=0,
        cpu_time_us=0,
        psi_some_us=0,
        swap_in_us=1.0,
    )


@pytest.mark.parametrize(
    ("free_permille", "is_on"),
    [
        ((600,), False),
        ((450,), False),
        ((399,), True),
        ((399, 500), True),
        ((399, 501), False),
        ((399, 501, 450), False),
        ((399, 199), False),
        ((200,), True),
    ],
)
def test_a_scheme_is_on_where_damon_has_it_on(free_permille: tuple[int, ...], is_on: bool) -> None:
    switch = WatermarkSwitch()
    for free in free_permille:
        running = switch.running([DamonReclaim().schemes[0]], seen(free))
    assert bool(running) is is_on


def test_the_kernel_gets_no_watermarks_to_sleep_by() -> None:
    schemes = [DamonReclaim().schemes[0], PageOut(5.0).schemes[0]]
    assert schemes[0].watermarks.metric is WatermarkMetric.FREE_MEM_RATE
    running = WatermarkSwitch().running(schemes, seen(300))
    assert [scheme.watermarks for scheme in running] == [Watermarks(), Watermarks()]
    assert [scheme.action for scheme in running] == [scheme.action for scheme in schemes]
    assert WatermarkSwitch().running(schemes, seen(900)) == (PageOut(5.0).schemes[0],)
