"""The guest is what the other tests of this folder take it for."""

import importlib.util
import os
import platform
from pathlib import Path

import pytest


def test_kernel_is_of_the_series_asked_for() -> None:
    series = os.environ["DAMON_TUNER_GUEST_KERNEL"]
    assert platform.release().startswith((f"{series}.", f"{series}+", f"{series}-"))


def test_damon_can_be_driven() -> None:
    assert Path("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds").read_text() == "0\n"


def test_memory_pressure_is_accounted() -> None:
    assert Path("/proc/pressure/memory").read_text().startswith("some avg10=")


def test_cgroup2_hands_out_the_memory_controller() -> None:
    root = Path("/sys/fs/cgroup")
    assert "memory" in (root / "cgroup.subtree_control").read_text().split()


def test_swap_is_as_asked_for() -> None:
    asked_bytes = int(os.environ["DAMON_TUNER_GUEST_SWAP_BYTES"])
    swaps = [line.split() for line in Path("/proc/swaps").read_text().splitlines()[1:]]
    if asked_bytes == 0:
        assert not swaps
        return
    assert [swap[0] for swap in swaps] == ["/dev/zram0"]
    # mkswap keeps one page for its header
    assert int(swaps[0][2]) * 1024 == pytest.approx(asked_bytes, abs=8192)


def test_the_project_needs_no_numpy_here() -> None:
    import damon_tuner

    assert damon_tuner.__file__
    assert importlib.util.find_spec("numpy") is None
