"""Actors beside DAMON in a real kernel: memory blocks, control groups, and no clocks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
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
from damon_tuner.kernel_iface.sysfs.tree import Tree

MIB = 1 << 20
MEMORY = Path("/sys/devices/system/memory")
CGROUP = Path("/sys/fs/cgroup/actors")
DEADLINE_S = 60.0

# Fills memory, and tells in which of the given blocks one of its pages is. With "keep" that page
# stays in a pipe: as long as it is there it cannot be moved, and its block cannot go.
HOLDER = """
import array, ctypes, mmap, os, sys
size, block_bytes, blocks = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(",")
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
for at in range(0, size, 1 << 20):
    memory[at : at + (1 << 20)] = os.urandom(1 << 20)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
page = os.sysconf("SC_PAGE_SIZE")
with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
    entries = array.array("Q", os.pread(pagemap.fileno(), size // page * 8, start // page * 8))
found = [(entry & ((1 << 55) - 1)) * page // block_bytes for entry in entries]
at, block = next(((i, b) for i, b in enumerate(found) if str(b) in blocks), (0, -1))
if sys.argv[4:]:
    r, w = os.pipe()
    vector = (ctypes.c_size_t * 2)(start + at * page, page)
    assert ctypes.CDLL(None).vmsplice(w, vector, ctypes.c_size_t(1), 0) == page
print(block, flush=True)
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

Holder = Callable[..., int]


@pytest.fixture
def tree() -> Tree:
    return Tree(LocalKernel())


@pytest.fixture(scope="module")
def able() -> list[int]:
    """The numbers of the blocks that this kernel lets go.

    The last one before the firmware's memory has a hole; and what the guest booted from may lie in
    movable memory without being so.
    """
    return [block.number for block in memory_blocks(Tree(LocalKernel())) if goes(block)]


def goes(block: MemoryBlock) -> bool:
    path = f"sys/devices/system/memory/memory{block.number}/state"
    if not block.movable:
        return False
    write = LocalKernel().start_write(path, "offline", 10.0)
    while (result := write.poll()) is None:
        os.sched_yield()
    if result == 0:
        LocalKernel().write(path, "online_movable")
    return result == 0


@pytest.fixture
def movable(tree: Tree, able: list[int]) -> Iterator[list[MemoryBlock]]:
    """The blocks that can go; every test leaves them, and all others, as they were."""
    before = memory_blocks(tree)
    found = [block for block in before if block.number in able]
    if len(found) < 2:
        pytest.skip("too little movable memory: boot with movablecore=512M")
    yield found
    assert memory_blocks(tree) == before


@pytest.fixture
def ledger(tree: Tree, movable: list[MemoryBlock]) -> Iterator[Ledger]:
    """Puts back what a failed test left, so that the next one finds what it needs."""
    ledger = Ledger(tree)
    yield ledger
    ledger.restore()


@pytest.fixture
def hold() -> Iterator[Holder]:
    """Starts processes that hold memory, and gives the number of a block that some of it is in."""
    processes = []

    def hold(size_bytes: int, blocks: Sequence[MemoryBlock] = (), *keep: str) -> int:
        block_bytes = blocks[0].size_bytes if blocks else 1 << 27
        numbers = ",".join(str(block.number) for block in blocks)
        process = subprocess.Popen(
            [
                sys.executable,
                "-S",
                "-c",
                HOLDER,
                f"{size_bytes}",
                f"{block_bytes}",
                numbers,
                *keep,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

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


def offline(blocks: Sequence[MemoryBlock]) -> list[int]:
    numbers = (block.number for block in blocks)
    return [n for n in numbers if (MEMORY / f"memory{n}/state").read_text() == "offline\n"]


def hold_one_of(blocks: list[MemoryBlock], hold: Holder) -> int:
    """Keep one of the blocks from going, and return its number."""
    stuck = hold(blocks[0].size_bytes, blocks, "keep")
    assert stuck in [block.number for block in blocks]
    return stuck


def total_kib() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1])


def test_blocks_go_and_come_back_into_their_zone(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock]
) -> None:
    before_kib = total_kib()
    actor = MemoryBlocks(tree, ledger, request(*movable))
    actor.check()
    longest_s = follow(actor, lambda: actor.offline_bytes == len(movable) * movable[0].size_bytes)
    assert offline(movable) == [block.number for block in movable]
    print(f"{actor.stats}; the longest call took {longest_s * 1e3:.1f} ms")
    assert total_kib() == before_kib - (len(movable) * movable[0].size_bytes >> 10)
    chosen = [(MEMORY / f"memory{n}/valid_zones").read_text().split()[0] for n in offline(movable)]
    print(f"of its own the kernel would choose {chosen}")
    actor.release()
    assert total_kib() == before_kib
    assert ledger.changes == ()


def test_blocks_that_cannot_go_stay(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock]
) -> None:
    others = [block for block in memory_blocks(tree) if block.movable and block not in movable]
    actor = MemoryBlocks(tree, ledger, request(*movable, *others))
    numbers = {block.number for block in others}
    follow(
        actor, lambda: set(actor.nr_failures) == numbers and len(offline(movable)) == len(movable)
    )
    print(f"{sorted(numbers)} stayed: {actor.stats.last_failure}")
    actor.release()
    assert ledger.changes == ()


def test_the_ledger_alone_brings_them_back(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock]
) -> None:
    actor = MemoryBlocks(tree, ledger, request(*movable))
    follow(actor, lambda: actor.offline_bytes == len(movable) * movable[0].size_bytes)
    ledger.restore()
    assert ledger.changes == ()


@pytest.mark.slow
def test_the_emptiest_block_goes_first(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock], hold: Holder
) -> None:
    # Movable memory is given first, and freed with the process that has it.
    hold(sum(block.size_bytes for block in movable) // 2)
    used = {block.number: used_permille(tree, block) for block in movable}
    assert None not in used.values() and len(set(used.values())) > 1
    actor = MemoryBlocks(tree, ledger, request(movable[0]))
    follow(actor, lambda: actor.offline_bytes > 0)
    (gone,) = offline(movable)
    print(f"used permille {used}; block {gone} went")
    assert used[gone] == min(used.values())
    actor.release()


@pytest.mark.slow
def test_a_block_that_cannot_be_emptied_is_given_up_in_time(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock], hold: Holder
) -> None:
    stuck = hold_one_of(movable, hold)
    actor = MemoryBlocks(tree, ledger, request(*movable, timeout_s=3.0))
    longest_s = follow(actor, lambda: stuck in actor.nr_failures)
    assert "time limit" in actor.stats.last_failure
    assert longest_s < 1.0
    follow(actor, lambda: actor.offline_bytes == (len(movable) - 1) * movable[0].size_bytes)
    actor.release()


@pytest.mark.slow
def test_a_block_on_its_way_out_is_called_back(
    tree: Tree, ledger: Ledger, movable: list[MemoryBlock], hold: Holder
) -> None:
    path = MEMORY / f"memory{hold_one_of(movable, hold)}/state"
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


@pytest.mark.slow
def test_what_a_killed_process_began_ends_by_itself(
    movable: list[MemoryBlock], hold: Holder
) -> None:
    path = MEMORY / f"memory{hold_one_of(movable, hold)}/state"
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


@pytest.mark.slow
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
