"""Actors beside DAMON in a real kernel: memory blocks, control groups, and no clocks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.sysfs.actors import (
    Actor,
    Actors,
    BlocksRequest,
    CgroupReclaim,
    ClocksRequest,
    MemoryBlocks,
    Pace,
    ReclaimRequest,
)
from damon_tuner.kernel_iface.sysfs.actors.emptiness import used_permille
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.observe.blocks import MemoryBlock, memory_blocks
from damon_tuner.kernel_iface.sysfs.observe.physical import system_ram
from damon_tuner.kernel_iface.sysfs.tree import Tree

MIB = 1 << 20
MEMORY = Path("/sys/devices/system/memory")
CGROUP = Path("/sys/fs/cgroup/actors")
PAGE = os.sysconf("SC_PAGE_SIZE")
DEADLINE_S = 60.0

# Tells where each of its pages is, and keeps sixteen of them in a pipe: as long as a page is in
# there it cannot be moved, and its block cannot go.
HOLDER = """
import ctypes, mmap, os, struct, sys
size, keep = int(sys.argv[1]), sys.argv[2] == "keep"
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
for at in range(0, size, 1 << 20):
    memory[at : at + (1 << 20)] = os.urandom(1 << 20)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
page = os.sysconf("SC_PAGE_SIZE")
if keep:
    r, w = os.pipe()
    vector = (ctypes.c_size_t * 2)(start, 16 * page)
    assert ctypes.CDLL(None).vmsplice(w, vector, ctypes.c_size_t(1), 0) == 16 * page
with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
    entry = os.pread(pagemap.fileno(), 8, start // page * 8)
print(struct.unpack("=Q", entry)[0] & ((1 << 55) - 1), flush=True)
sys.stdin.read()
"""

# Begins to take a block offline, and is then killed.
STARTER = """
import sys, time
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
write = LocalKernel().start_write(sys.argv[1], "offline", float(sys.argv[2]))
print("begun", flush=True)
time.sleep(1000)
"""

Holder = Callable[..., tuple[subprocess.Popen[str], int]]


@pytest.fixture
def tree() -> Tree:
    return Tree(LocalKernel())


@pytest.fixture
def movable(tree: Tree) -> Iterator[list[MemoryBlock]]:
    """The blocks that can go; every test leaves them, and all others, as they were.

    The last one before the firmware's memory has a hole, and the kernel keeps it.
    """
    before = memory_blocks(tree)
    ram = system_ram(tree)
    found = [block for block in before if block.movable and is_whole(block, ram)]
    if not found:
        pytest.skip("no movable memory: boot with movablecore=512M")
    yield found
    assert memory_blocks(tree) == before


@pytest.fixture
def ledger(tree: Tree, movable: list[MemoryBlock]) -> Iterator[Ledger]:
    """Puts back what a failed test left, so that the next one finds what it needs."""
    ledger = Ledger(tree)
    yield ledger
    ledger.restore()


def is_whole(block: MemoryBlock, ram: tuple[tuple[int, int], ...]) -> bool:
    start = block.number * block.size_bytes
    return any(first <= start and start + block.size_bytes <= end for first, end in ram)


@pytest.fixture
def hold() -> Iterator[Holder]:
    """Starts processes that hold memory, and gives the number of the page they start with."""
    processes = []

    def hold(size_bytes: int, keep: str = "") -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", HOLDER, str(size_bytes), keep],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


def follow(actor: Actor, done: Callable[[], bool]) -> float:
    """Advance an actor until it is done; returns the longest time that one call took."""
    deadline, longest = time.monotonic() + DEADLINE_S, 0.0
    while not done():
        assert time.monotonic() < deadline, actor.stats
        began = time.monotonic()
        actor.advance(time.monotonic_ns() // 1_000)
        longest = max(longest, time.monotonic() - began)
        os.sched_yield()
    return longest


def request(*blocks: MemoryBlock, timeout_s: float = 30.0) -> BlocksRequest:
    return BlocksRequest(
        offline_bytes=sum(block.size_bytes for block in blocks),
        floor_free_bytes=64 * MIB,
        psi_some_permille=1_000,
        pace=Pace(100, 1_000),
        timeout_s=timeout_s,
    )


def state(block: MemoryBlock) -> str:
    return (MEMORY / f"memory{block.number}/state").read_text().strip()


def total_kib() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1])


def test_blocks_go_and_come_back_into_their_zone(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock]
) -> None:
    before_kib = total_kib()
    actor = MemoryBlocks(tree, ledger, request(*movable))
    actor.check()
    longest_s = follow(actor, lambda: actor.offline_bytes == len(movable) * movable[0].size_bytes)
    assert {state(block) for block in movable} == {"offline"}
    print(f"{len(movable)} blocks offline; the longest call took {longest_s * 1e3:.1f} ms")
    assert total_kib() == before_kib - (len(movable) * movable[0].size_bytes >> 10)
    # Its zone has shrunk, and of its own the kernel would put the block into another one.
    chosen = (MEMORY / f"memory{movable[0].number}/valid_zones").read_text().split()
    assert chosen[0] == "Normal"
    actor.release()
    assert total_kib() == before_kib
    assert ledger.changes == ()


def test_a_block_with_a_hole_is_tried_once_and_stays(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock]
) -> None:
    holed = [block for block in memory_blocks(tree) if block.movable and block not in movable]
    actor = MemoryBlocks(tree, ledger, request(*movable, *holed))
    follow(actor, lambda: set(actor.nr_failures) == {block.number for block in holed})
    assert "holes" in actor.stats.last_failure or not holed
    follow(actor, lambda: actor.offline_bytes == len(movable) * movable[0].size_bytes)
    actor.release()
    assert ledger.changes == () and actor.stats.nr_failed == len(holed)


def test_the_ledger_alone_brings_them_back(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock]
) -> None:
    actor = MemoryBlocks(tree, ledger, request(*movable))
    follow(actor, lambda: actor.offline_bytes == len(movable) * movable[0].size_bytes)
    ledger.restore()
    assert ledger.changes == ()


def test_the_emptiest_block_goes_first(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock], hold: Holder
) -> None:
    # Movable memory is given first, and freed with the process that has it.
    hold(movable[0].size_bytes * 3 // 2)
    used = {block.number: used_permille(tree, block) for block in movable}
    assert None not in used.values() and len(set(used.values())) > 1
    actor = MemoryBlocks(tree, ledger, request(movable[0]))
    follow(actor, lambda: actor.stats.nr_tried > 0)
    follow(actor, lambda: actor.offline_bytes > 0 or actor.stats.nr_failed > 0)
    (gone,) = (block for block in movable if state(block) == "offline")
    print(f"used permille {used}; block {gone.number} went")
    assert used[gone.number] == min(used.values())
    actor.release()


def test_a_block_that_cannot_be_emptied_is_given_up_in_time(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock], hold: Holder
) -> None:
    _, frame = hold(64 * MIB, "keep")
    stuck = frame * PAGE // movable[0].size_bytes
    assert stuck in [block.number for block in movable], "its memory is not movable"
    actor = MemoryBlocks(tree, ledger, request(*movable, timeout_s=3.0))
    longest_s = follow(actor, lambda: stuck in actor.nr_failures)
    assert "time limit" in actor.stats.last_failure
    assert longest_s < 1.0
    follow(actor, lambda: actor.offline_bytes == (len(movable) - 1) * movable[0].size_bytes)
    actor.release()


def test_a_block_on_its_way_out_is_called_back(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock], hold: Holder
) -> None:
    _, frame = hold(64 * MIB, "keep")
    stuck = frame * PAGE // movable[0].size_bytes
    path = MEMORY / f"memory{stuck}/state"
    write = ledger.start_write(str(path)[1:], "offline", undo="online_movable", timeout_s=60)
    deadline = time.monotonic() + DEADLINE_S
    while path.read_text() != "going-offline\n":
        assert time.monotonic() < deadline and write.poll() is None
    began = time.monotonic()
    assert write.cancel(DEADLINE_S) == errno.EINTR
    print(f"called back within {time.monotonic() - began:.3f} s")
    assert path.read_text() == "online\n"
    ledger.restore()
    assert ledger.changes == ()


def test_what_a_killed_process_began_ends_by_itself(
    movable: list[MemoryBlock], hold: Holder
) -> None:
    _, frame = hold(64 * MIB, "keep")
    path = MEMORY / f"memory{frame * PAGE // movable[0].size_bytes}/state"
    arguments = [sys.executable, "-c", STARTER, str(path)[1:], "5"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None and starter.stdout.readline() == "begun\n"
        deadline = time.monotonic() + DEADLINE_S
        while path.read_text() != "going-offline\n":
            assert time.monotonic() < deadline
        starter.kill()
        starter.wait()
        began = time.monotonic()
        while path.read_text() != "online\n":
            assert time.monotonic() < deadline
    print(f"online again {time.monotonic() - began:.1f} s after the kill")
    assert 0.5 < time.monotonic() - began < 30


@pytest.fixture
def group(hold: Holder) -> Iterator[int]:
    """A control group with 128 MiB of anonymous memory; gives what it holds."""
    CGROUP.mkdir()
    (CGROUP / "cgroup.procs").write_text(str(os.getpid()))
    try:
        hold(128 * MIB)
    finally:
        Path("/sys/fs/cgroup/cgroup.procs").write_text(str(os.getpid()))
    yield current()
    (CGROUP / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + DEADLINE_S
    while (CGROUP / "cgroup.events").read_text().startswith("populated 1"):
        assert time.monotonic() < deadline
    CGROUP.rmdir()


def current() -> int:
    return int((CGROUP / "memory.current").read_text())


@pytest.mark.parametrize("protection", ["floor", "memory.low"])
def test_reclaim_goes_down_to_the_floor(tree: Tree, group: int, protection: str) -> None:
    floor_bytes = 64 * MIB
    if protection == "memory.low":
        (CGROUP / "memory.low").write_text(str(floor_bytes))
    asked = ReclaimRequest(
        "actors",
        Pace(16 * MIB, 1_000),
        floor_bytes if protection == "floor" else 0,
        psi_some_permille=1_000,
        swappiness=200,
    )
    actor = CgroupReclaim(tree, asked)
    actor.check()
    began = time.monotonic()
    longest_s = follow(actor, lambda: current() < floor_bytes + 2 * MIB)
    elapsed_s = time.monotonic() - began
    actor.release()
    stats = actor.stats
    print(f"{(group - current()) / MIB:.1f} MiB in {elapsed_s:.1f} s, {stats}")
    assert current() >= floor_bytes - 2 * MIB
    assert elapsed_s > (group - floor_bytes) / (16 * MIB) - 2
    assert longest_s < 1.0
    assert stats.sz_applied_bytes == pytest.approx(group - current(), abs=4 * MIB)


def test_this_kernels_clocks_cannot_be_capped(tree: Tree) -> None:
    with pytest.raises(DamonMissingError, match="no memory clock"):
        Actors(tree, Ledger(tree)).check([ClocksRequest(500)])
