"""What a major fault costs is measured where there is swap."""

import os
import subprocess
from pathlib import Path

import pytest

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.swap_in import measure_swap_in_us


def test_a_fault_costs_microseconds() -> None:
    assert int(os.environ["DAMON_TUNER_GUEST_SWAP_BYTES"]) > 0
    assert 1.0 < measure_swap_in_us() < 20_000.0


def test_a_host_without_swap_is_told_so() -> None:
    (device,) = [line.split()[0] for line in Path("/proc/swaps").read_text().splitlines()[1:]]
    subprocess.run(["swapoff", device], check=True)
    try:
        with pytest.raises(TunerError, match=r"no swap.*add swap or zram"):
            measure_swap_in_us()
    finally:
        subprocess.run(["swapon", device], check=True)
