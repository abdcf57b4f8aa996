"""What is read of the real kernel changes when the kernel does what it counts."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.observe.blocks import MEMORY, memory_blocks
from damon_tuner.kernel_iface.sysfs.observe.cgroup import Cgroup, cgroup, cgroup_mount
from damon_tuner.kernel_iface.sysfs.observe.clocks import clocks
from damon_tuner.kernel_iface.sysfs.observe.counters import counters
from damon_tuner.kernel_iface.sysfs.observe.energy import DramEnergy
from damon_tuner.kernel_iface.sysfs.observe.huge_pages import huge_pages
from damon_tuner.kernel_iface.sysfs.observe.memory import memory
from damon_tuner.kernel_iface.sysfs.observe.nodes import nodes
from damon_tuner.kernel_iface.sysfs.observe.pressure import system_pressure
from damon_tuner.kernel_iface.sysfs.observe.process import process_memory
from damon_tuner.kernel_iface.sysfs.observe.swap import swap_devices, zram_devices
from damon_tuner.kernel_iface.sysfs.observe.table import since
from damon_tuner.kernel_iface.sysfs.tree import Tree

MIB = 1 << 20
PAGES = 16 * MIB // 4096
GROUP = Path("/sys/fs/cgroup/observed")
SLOW_BYTES = int(os.environ.get("DAMON_TUNER_GUEST_SLOW_BYTES", "0"))
MOVABLE_BYTES = int(os.environ.get("DAMON_TUNER_GUEST_MOVABLE_BYTES", "0"))
MADV_PAGEOUT = 21
SYS_MIGRATE_PAGES = 256

# Writes to more memory than its group may have, over and over.
HOG = """
memory = bytearray(48 << 20)
for _ in range(4):
    for start in range(0, len(memory), 4096):
        memory[start] += 1
"""

TREE = Tree(LocalKernel())


def group() -> Cgroup:
    mount = cgroup_mount(TREE)
    assert mount is not None
    assert "memory" in mount.delegated
    found = cgroup(TREE, mount, GROUP.name)
    assert found is not None
    return found


@pytest.fixture
def inside() -> Iterator[None]:
    """This process in a group of its own."""
    GROUP.mkdir()
    (GROUP / "cgroup.procs").write_text(str(os.getpid()))
    yield
    (GROUP.parent / "cgroup.procs").write_text(str(os.getpid()))
    GROUP.rmdir()


@pytest.fixture
def area() -> Iterator[mmap.mmap]:
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with mmap.mmap(-1, PAGES * 4096, flags=flags) as area:
        yield area


@pytest.mark.usefixtures("inside")
def test_what_is_paged_out_and_comes_back_is_counted_everywhere(area: mmap.mmap) -> None:
    area.madvise(mmap.MADV_NOHUGEPAGE)
    for start in range(0, len(area), 4096):
        area[start : start + 2048] = os.urandom(2048)
    before, of_group = counters(TREE), group()
    host, devices, own = memory(TREE), zram_devices(TREE), process_memory(TREE, os.getpid())
    assert own is not None
    area.madvise(MADV_PAGEOUT)
    out = since(counters(TREE), before)
    assert out.pswpout is not None
    assert out.pswpout >= PAGES * 0.9
    paged = process_memory(TREE, os.getpid())
    assert paged is not None
    assert paged.swapped_bytes is not None
    assert own.swapped_bytes is not None
    assert paged.swapped_bytes - own.swapped_bytes >= 14 * MIB
    assert own.resident_bytes - paged.resident_bytes >= 14 * MIB
    for device, now in zip(devices, zram_devices(TREE), strict=True):
        assert now.stored_bytes - device.stored_bytes >= 14 * MIB
        assert memory(TREE).pool_bytes - host.pool_bytes >= 7 * MIB
    assert swap_devices(TREE)[0].used_bytes >= 14 * MIB
    after = group()
    assert after.swap_bytes is not None
    assert of_group.swap_bytes is not None
    assert after.swap_bytes - of_group.swap_bytes >= 14 * MIB
    for start in range(0, len(area), 4096):
        assert area[start] >= 0
    if not devices:
        return  # a disk keeps the pages in memory too: nothing has to come back
    back = since(counters(TREE), before)
    of_group_back = since(group().counters, of_group.counters)
    assert back.pswpin is not None
    assert back.pswpin >= PAGES * 0.9
    for name in ("pgmajfault", "workingset_refault_anon"):
        assert getattr(back, name) > 0, name
        assert getattr(of_group_back, name) > 0, name


@pytest.mark.usefixtures("inside")
def test_huge_pages_are_seen_of_the_process_the_group_the_node_and_the_host() -> None:
    settings = huge_pages(TREE)
    assert settings is not None
    assert settings.enabled == "always"
    assert settings.size_bytes == 2 * MIB
    assert settings.sizes
    before, host, whole = counters(TREE), memory(TREE), sum(_huge_bytes())
    with mmap.mmap(-1, 32 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
        area.madvise(mmap.MADV_HUGEPAGE)
        area[:] = bytes(len(area))
        own = process_memory(TREE, os.getpid())
        assert own is not None
        assert own.anon_huge_bytes is not None
        assert own.anon_huge_bytes >= 24 * MIB
        assert group().sizes.anon_thp >= 24 * MIB
        assert sum(_huge_bytes()) - whole >= 24 * MIB
        assert memory(TREE).anon_huge_bytes - host.anon_huge_bytes >= 24 * MIB
        assert since(counters(TREE), before).thp_fault_alloc >= 12


def _huge_bytes() -> list[int]:
    return [node.anon_huge_bytes or 0 for node in nodes(TREE)]


@pytest.mark.slow
def test_a_group_that_has_too_little_memory_waits_for_it() -> None:
    GROUP.mkdir()
    try:
        (GROUP / "memory.max").write_text(str(24 * MIB))
        before, host, swapped = group(), system_pressure(TREE), counters(TREE)
        join = f"open('{GROUP}/cgroup.procs', 'w').write('0')\n"
        subprocess.run([sys.executable, "-S", "-c", join + HOG], check=True)
        after = group()
        assert after.limit_bytes == 24 * MIB
        assert before.pressure is not None
        assert after.pressure is not None
        assert after.pressure.some_us > before.pressure.some_us
        assert host is not None
        assert system_pressure(TREE).some_us > host.some_us
        grown = since(after.counters, before.counters)
        assert grown.pgscan >= grown.pgsteal > PAGES / 4
        assert since(counters(TREE), swapped).pswpout > PAGES / 4
    finally:
        GROUP.rmdir()


def test_the_root_group_has_no_size_of_its_own() -> None:
    root = cgroup(TREE, cgroup_mount(TREE), "")
    assert root is not None
    assert root.memory_bytes is root.swap_bytes is root.limit_bytes is None
    assert root.sizes.anon > 0


def test_kernel_threads_and_the_dead_have_no_memory() -> None:
    child = subprocess.Popen(["true"])
    pid = child.pid
    child.wait()
    assert process_memory(TREE, pid) is None
    assert process_memory(TREE, 2) is None
    assert process_memory(TREE, os.getpid()) is not None


def test_a_counter_is_none_just_where_this_kernel_has_none() -> None:
    root = cgroup(TREE, cgroup_mount(TREE), "")
    assert root is not None
    for path, found in (
        ("/proc/vmstat", counters(TREE)),
        ("/sys/fs/cgroup/memory.stat", root.counters),
        ("/sys/fs/cgroup/memory.stat", root.sizes),
    ):
        lines = {line.split()[0] for line in Path(path).read_text().splitlines()}
        lacking = {name for name in found.__slots__ if getattr(found, name) is None}
        assert lacking == set(found.__slots__) - lines - {"allocstall"}
        # what 6.12 has not yet, and what is only there where zswap is built in
        newer = {"pgdemote_proactive", "pgpromote_success", "pswpin", "pswpout"}
        assert {name for name in lacking if not name.startswith(("zsw", "pgdem"))} <= newer


def test_nodes_and_their_tiers() -> None:
    found = nodes(TREE)
    assert sum(node.total_bytes for node in found) == memory(TREE).total_bytes
    assert found[0].cpus == (0, 1)
    assert all(node.distances[node.number] == 10 for node in found)
    if SLOW_BYTES:
        fast, slow = found
        assert slow.cpus == ()
        assert fast.tier < slow.tier
        assert slow.total_bytes == pytest.approx(SLOW_BYTES, rel=0.1)
    else:
        assert [node.number for node in found] == [0]


@pytest.mark.slow
@pytest.mark.skipif(not SLOW_BYTES, reason="one node of memory")
def test_a_migration_shows_on_both_nodes(area: mmap.mmap) -> None:
    area[:] = os.urandom(len(area))
    before, (_, slow) = counters(TREE), nodes(TREE)
    _migrate(1, 2)
    try:
        assert since(counters(TREE), before).pgmigrate_success >= PAGES / 512
        assert nodes(TREE)[1].anon_bytes - slow.anon_bytes >= 14 * MIB
    finally:
        _migrate(2, 1)


def _migrate(from_mask: int, to_mask: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    masks = [ctypes.byref(ctypes.c_ulong(mask)) for mask in (from_mask, to_mask)]
    assert libc.syscall(SYS_MIGRATE_PAGES, 0, 64, *masks) >= 0, os.strerror(ctypes.get_errno())


def test_memory_blocks_add_up() -> None:
    found = memory_blocks(TREE)
    assert all(block.online for block in found)
    assert sum(block.size_bytes for block in found) >= memory(TREE).total_bytes
    movable = sum(block.size_bytes for block in found if block.movable)
    # the zone begins within a block, which is then in no single zone
    assert movable == pytest.approx(MOVABLE_BYTES, abs=2 * found[0].size_bytes)


@pytest.mark.skipif(not MOVABLE_BYTES, reason="no movable blocks")
def test_a_block_that_goes_offline_is_seen_to() -> None:
    number = _first(_try_offline, [b.number for b in memory_blocks(TREE) if b.movable])
    try:
        (block,) = [b for b in memory_blocks(TREE) if b.number == number]
        assert block.state == "offline"
        assert not block.movable
        assert "Movable" in block.zones
    finally:
        Path("/", MEMORY, f"memory{number}/state").write_text("online_movable")
    (block,) = [b for b in memory_blocks(TREE) if b.number == number]
    assert block.movable


def _first(works: Callable[[int], bool], numbers: list[int]) -> int:
    return next(number for number in reversed(numbers) if works(number))


def _try_offline(number: int) -> bool:
    try:
        Path("/", MEMORY, f"memory{number}/state").write_text("offline")
    except OSError:
        return False
    return True


def test_what_an_emulator_has_not() -> None:
    assert clocks(TREE) == ()
    assert DramEnergy(TREE).used_uj() is None
