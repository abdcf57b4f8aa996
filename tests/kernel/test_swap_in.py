"""What a major fault costs is measured where there is swap."""

import os

from damon_tuner.kernel_iface.sysfs.swap_in import measure_swap_in_us


def test_a_fault_costs_microseconds_and_leaves_no_swap_in_use() -> None:
    assert int(os.environ["DAMON_TUNER_GUEST_SWAP_BYTES"]) > 0
    cost_us = measure_swap_in_us()
    assert cost_us is not None
    assert 1.0 < cost_us < 20_000.0
