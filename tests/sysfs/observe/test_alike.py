"""Mappings and equal pages, of this very process and of one that does not like it."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from damon_tuner.errors import KernelFileError, TunerError
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.observe.alike import alike_pages
from damon_tuner.kernel_iface.sysfs.observe.mappings import (
    Backing,
    Mapping,
    backing_of,
    mappings,
    spans,
)
from damon_tuner.kernel_iface.sysfs.tree import Tree

PAGE = mmap.PAGESIZE
ME = os.getpid()


@pytest.fixture
def real() -> Tree:
    return Tree(LocalKernel())


class Memory:
    """Private memory of this process."""

    def __init__(self, nr_pages: int) -> None:
        self.map = mmap.mmap(-1, nr_pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.map.madvise(mmap.MADV_NOHUGEPAGE)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        self.range = (self.start, self.start + nr_pages * PAGE)

    def fill(self, page: int, content: bytes) -> None:
        self.map[page * PAGE : (page + 1) * PAGE] = content.ljust(PAGE, b"\0")


def resident_pages(memory: Memory) -> int:
    nr = (memory.range[1] - memory.range[0]) // PAGE
    raw = Path("/proc/self/pagemap").open("rb")
    with raw:
        raw.seek(memory.start // PAGE * 8)
        entries = raw.read(nr * 8)
    return sum(entries[i + 7] >> 7 for i in range(0, len(entries), 8))


def test_what_looks_alike_is_counted(real: Tree) -> None:
    memory = Memory(64)
    for page in range(20):
        memory.fill(page, b"the same")
    for page in range(20, 30):
        memory.fill(page, page.to_bytes(8, "little"))
    for page in range(30, 36):
        memory.fill(page, b"")
    found = alike_pages(real, ME, [memory.range])
    assert (found.of_pages, found.nr_looked_at, found.nr_read) == (64, 64, 36)
    assert found.nr_zero == 6
    assert found.nr_duplicates == 19 + 5
    assert found.duplicate_share == pytest.approx(24 / 36)
    assert found.zero_share == pytest.approx(6 / 36)


def test_what_is_not_there_is_not_faulted_in(real: Tree) -> None:
    memory = Memory(1024)
    memory.fill(5, b"only this")
    assert resident_pages(memory) == 1
    found = alike_pages(real, ME, [memory.range])
    assert found.nr_read == 1
    assert resident_pages(memory) == 1


def test_a_sample_is_no_larger_than_asked_for(real: Tree) -> None:
    memory = Memory(1024)
    for page in range(1024):
        memory.fill(page, b"the same")
    few = alike_pages(real, ME, [memory.range, memory.range], max_pages=160)
    assert few.of_pages == 2048
    assert few.nr_looked_at == 160
    assert few.nr_read + few.nr_shared == 160
    again = alike_pages(real, ME, [memory.range, memory.range], max_pages=160)
    assert again == few


def test_no_ranges_hold_no_pages(real: Tree) -> None:
    found = alike_pages(real, ME, [])
    assert (found.of_pages, found.nr_read, found.duplicate_share) == (0, 0, 0.0)


def test_pages_of_files_are_left_alone(real: Tree, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 16 * PAGE)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        assert shared[0] == ord("x")
        pin = ctypes.c_char.from_buffer(shared)
        start = ctypes.addressof(pin)
        found = alike_pages(real, ME, [(start, start + 16 * PAGE)])
        del pin
    assert found.nr_looked_at == 16
    assert found.nr_read == 0


def test_a_process_that_is_gone_is_an_error(real: Tree) -> None:
    with pytest.raises(TunerError):
        alike_pages(real, 2**22 + 1, [(0, PAGE)])


def test_mappings_of_this_process(real: Tree) -> None:
    memory = Memory(16)
    found = mappings(real, ME)
    assert backing_of(found, *memory.range) is Backing.ANON
    (own,) = [m for m in found if m.start <= memory.start < m.end]
    assert own.is_private
    assert any(m.backing is Backing.FILE and "libc" in m.name for m in found)
    assert any(m.name == "[stack]" for m in found)
    assert backing_of(found, 0, PAGE) is Backing.UNMAPPED
    assert mappings(real, 2**22 + 1) == ()


def test_mixed_backing_is_called_so() -> None:
    anon = Mapping(0, 100, True, Backing.ANON, "")
    file = Mapping(100, 200, True, Backing.FILE, "/a b")
    assert backing_of([anon, file], 0, 200) is Backing.MIXED
    assert backing_of([anon, file], 0, 105) is Backing.ANON
    assert backing_of([anon, file], 60, 1000) is Backing.MIXED


def test_spans_leave_out_the_largest_holes() -> None:
    def at(start: int, end: int) -> Mapping:
        return Mapping(start, end, True, Backing.ANON, "")

    found = [at(0, 10), at(10, 20), at(25, 30), at(1000, 1100), at(5000, 5001)]
    kernels = at(2**64 - 4096, 2**64)
    assert spans([*found, kernels]) == ((0, 20), (25, 30), (1000, 1100), (5000, 5001))
    assert spans(found, 3) == ((0, 30), (1000, 1100), (5000, 5001))
    assert spans(found, 1) == ((0, 5001),)
    assert spans([kernels]) == spans([]) == ()


def test_spans_hold_all_that_this_process_has_mapped(real: Tree) -> None:
    found = mappings(real, ME)
    ranges = spans(found)
    for mapping in found:
        if mapping.name != "[vsyscall]":
            assert any(s <= mapping.start and mapping.end <= e for s, e in ranges)


def test_maps_as_linux_writes_them(tree: Tree, put: Callable[[dict[str, str]], None]) -> None:
    put(
        {
            "proc/7/maps": "555500000000-555500001000 r-xp 00000000 fe:01 42    /usr/bin/a b\n"
            "555500001000-555500002000 rw-p 00000000 00:00 0 \n"
            "7f0000000000-7f0000001000 rw-s 00000000 00:01 9    /memfd:x (deleted)\n"
            "7ffff0000000-7ffff0001000 rw-p 00000000 00:00 0    [stack]\n"
        }
    )
    found = mappings(tree, 7)
    assert [(m.backing, m.is_private, m.name) for m in found] == [
        (Backing.FILE, True, "/usr/bin/a b"),
        (Backing.ANON, True, ""),
        (Backing.FILE, False, "/memfd:x (deleted)"),
        (Backing.ANON, True, "[stack]"),
    ]
    put({"proc/7/maps": "nonsense\n"})
    with pytest.raises(KernelFileError, match="/proc/7/maps holds 'nonsense'"):
        mappings(tree, 7)
