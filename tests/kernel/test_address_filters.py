"""What a forecast is for: addresses that page-out spares, and addresses that are brought back."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Filter,
    FilterType,
    Quota,
    Scheme,
)
from damon_tuner.kernel_iface.sysfs import SysfsHost

MIB = 1 << 20
PAGE_BYTES = mmap.PAGESIZE
SIZE_BYTES = 32 * MIB
# inside of the mapping, and at no border that DAMON would come upon by halving
FIRST, LAST = 9 * MIB, 20 * MIB
MADV_PAGEOUT = 21
COLD = AccessPattern(min_sz_bytes=PAGE_BYTES, max_nr_accesses=0)
UNHURRIED = Quota(sz_bytes=16 * MIB, reset_interval_ms=200)

libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Memory:
    """A mapping of this process."""

    mapping: mmap.mmap
    start: int

    def in_memory(self, first: int = 0, last: int = SIZE_BYTES) -> float:
        """Which share of these pages a fault would find in memory, if there were one at all."""
        told = (ctypes.c_ubyte * ((last - first) // PAGE_BYTES))()
        assert not libc.mincore(
            ctypes.c_void_p(self.start + first), ctypes.c_size_t(last - first), told
        )
        return sum(each & 1 for each in told) / len(told)

    def major_faults(self, first: int, last: int) -> int:
        """How many there are when each page is read."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
        for at in range(first, last, PAGE_BYTES):
            self.mapping[at]
        return resource.getrusage(resource.RUSAGE_SELF).ru_majflt - before

    def only(self, *, allow: bool) -> tuple[Filter, ...]:
        """Let a scheme have the range, or all but the range."""
        first, last = self.start + FIRST, self.start + LAST
        return (Filter(FilterType.ADDR, True, allow, addr_start=first, addr_end=last),)


@pytest.fixture
def memory() -> Iterator[Memory]:
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with mmap.mmap(-1, SIZE_BYTES, flags=flags) as mapping:
        mapping.madvise(mmap.MADV_NOHUGEPAGE)
        mapping.write((os.urandom(2048) + bytes(2048)) * (SIZE_BYTES // PAGE_BYTES))
        held = ctypes.c_char.from_buffer(mapping)
        yield Memory(mapping, ctypes.addressof(held))
        del held


def _run_until(scheme: Scheme, is_done: Callable[[], bool]) -> None:
    """Let DAMON do it, and go on for a while after it looks done."""
    with SysfsHost(Context(pid=os.getpid())) as host:
        try:
            host.start((scheme,))
        except DamonMissingError as error:
            pytest.skip(str(error))
        deadline_s = time.monotonic() + 60
        while not is_done() and time.monotonic() < deadline_s:
            host.advance(0.5)
        host.advance(2.0)


def test_willneed_brings_back_the_addresses_that_its_filter_allows(memory: Memory) -> None:
    memory.mapping.madvise(MADV_PAGEOUT)
    assert memory.in_memory() < 0.05
    scheme = Scheme(Action.WILLNEED, COLD, UNHURRIED, filters=memory.only(allow=True))
    _run_until(scheme, lambda: memory.in_memory(FIRST, LAST) > 0.99)
    assert memory.in_memory(FIRST, LAST) > 0.99
    assert memory.in_memory(0, FIRST) < 0.05
    assert memory.in_memory(LAST, SIZE_BYTES) < 0.05
    # who comes for them does not wait for the device
    assert memory.major_faults(FIRST, LAST) < 30
    assert memory.major_faults(LAST, SIZE_BYTES) > 0.9 * (SIZE_BYTES - LAST) // PAGE_BYTES


def test_pageout_spares_the_addresses_that_its_filter_refuses(memory: Memory) -> None:
    scheme = Scheme(Action.PAGEOUT, COLD, UNHURRIED, filters=memory.only(allow=False))
    _run_until(scheme, lambda: memory.in_memory(LAST, SIZE_BYTES) < 0.05)
    assert memory.in_memory(0, FIRST) < 0.05
    assert memory.in_memory(LAST, SIZE_BYTES) < 0.05
    assert memory.in_memory(FIRST, LAST) > 0.99
