"""The guest is what the other tests of this folder take it for."""

import importlib.util
import os
import platform
from pathlib import Path

import pytest

NODES = Path("/sys/devices/system/node")


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
    # a kernel that Debian has without its modules has no zram
    zram = Path("/sys/block/zram0").exists()
    assert [swap[0] for swap in swaps] == ["/dev/zram0" if zram else "/dev/nvme0n1"]
    # mkswap keeps one page for its header
    assert int(swaps[0][2]) * 1024 == pytest.approx(asked_bytes, abs=8192)


def test_the_slow_node_is_a_tier_of_its_own() -> None:
    asked_bytes = int(os.environ["DAMON_TUNER_GUEST_SLOW_BYTES"])
    if asked_bytes == 0:
        pytest.skip("this guest has one node: boot it with --slow-gib")
    tiers = Path("/sys/devices/virtual/memory_tiering").glob("memory_tier*/nodelist")
    assert sorted(tier.read_text() for tier in tiers) == ["0\n", "1\n"]
    assert (NODES / "has_cpu").read_text() == "0\n"
    fast_ns, slow_ns = (
        int((NODES / node / "access0/initiators/read_latency").read_text())
        for node in ("node0", "node1")
    )
    assert fast_ns < slow_ns
    # the kernel keeps what describes the node's pages, and what boot wrote into it
    total_kib = int((NODES / "node1/meminfo").read_text().split("MemTotal:")[1].split()[0])
    assert 0.9 * asked_bytes < total_kib * 1024 <= asked_bytes


def test_a_block_of_movable_memory_goes_offline_and_comes_back() -> None:
    if os.environ["DAMON_TUNER_GUEST_MOVABLE_BYTES"] == "0":
        pytest.skip("this guest has no movable memory: boot it with --movable-gib")
    blocks = [
        zones.parent
        for zones in Path("/sys/devices/system/memory").glob("memory*/valid_zones")
        if zones.read_text() == "Movable\n"
    ]
    assert blocks
    with_slow = int(os.environ["DAMON_TUNER_GUEST_SLOW_BYTES"]) > 0
    assert {node.name for block in blocks for node in block.glob("node*")} == (
        {"node0", "node1"} if with_slow else {"node0"}
    )
    state = next(block / "state" for block in blocks if _goes_offline(block / "state"))
    assert state.read_text() == "offline\n"
    state.write_text("online_movable")
    assert state.read_text() == "online\n"


def _goes_offline(state: Path) -> bool:
    """Take a block offline, unless what lies in it cannot be moved."""
    try:
        state.write_text("offline")
    except OSError:
        return False
    return True


def test_the_project_needs_no_numpy_here() -> None:
    import damon_tuner

    assert damon_tuner.__file__
    assert importlib.util.find_spec("numpy") is None
