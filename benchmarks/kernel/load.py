"""A process whose memory is known: which parts there are, on which node, and which are hot.

``python -m damon_tuner.benchmarks.kernel.load`` is the process, ``running`` starts it.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from damon_tuner.benchmarks.kernel.numa import PAGE_BYTES, allocate_on

_MIB = 1 << 20
_AT_ONCE = 16 * _MIB
_HUGE_BYTES = 2 * _MIB
_PAGES_PER_HUGE = _HUGE_BYTES // PAGE_BYTES

# Every entry into the kernel makes the emulator walk page tables again, which sets the accessed
# bits that DAMON looks at.
_PAUSE_S = 0.0005


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the load's memory; ``hot`` parts are read page by page, for ever."""

    size_bytes: int
    hot: bool = False
    node: int | None = None
    """Where it is allocated while there is any memory; None is wherever the kernel likes."""
    huge: str = "never"
    """Whether it may become huge pages: ``never``, ``later`` than it is filled, or ``always``."""
    pages_used: int = _PAGES_PER_HUGE
    """Of each huge page, how many small ones are written to."""


@dataclass(frozen=True, slots=True)
class Load:
    """The running process, and where each of its parts is."""

    pid: int
    starts: tuple[int, ...]
    parts: tuple[Part, ...]

    def ranges(self, *, hot: bool) -> list[tuple[int, int]]:
        """Start and size in bytes of the hot or of the cold parts."""
        found = zip(self.starts, self.parts, strict=True)
        return [(start, part.size_bytes) for start, part in found if part.hot == hot]


@contextmanager
def running(parts: Sequence[Part], cpu: int, cgroup: Path | None = None) -> Iterator[Load]:
    """Start a load on ``cpu``, in the control group at ``cgroup``; it is killed on leaving."""
    words = json.dumps([asdict(part) for part in parts])
    command = [sys.executable, "-m", "damon_tuner.benchmarks.kernel.load", words, str(cpu)]

    def join() -> None:
        if cgroup is not None:
            (cgroup / "cgroup.procs").write_text(str(os.getpid()))

    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=join)
    try:
        assert process.stdout is not None
        starts = json.loads(process.stdout.readline())
        yield Load(process.pid, tuple(starts), tuple(parts))
    finally:
        process.kill()
        process.communicate()


def _mapped(part: Part) -> tuple[mmap.mmap, int]:
    """Map and fill a part, and return it with its address."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    memory = mmap.mmap(-1, part.size_bytes, flags=flags)
    memory.madvise(mmap.MADV_HUGEPAGE if part.huge == "always" else mmap.MADV_NOHUGEPAGE)
    allocate_on(part.node)
    # half of it compresses to nothing
    page = os.urandom(PAGE_BYTES // 2) + bytes(PAGE_BYTES // 2)
    piece = page * min(part.pages_used, _MIB // PAGE_BYTES)
    step = _MIB if part.pages_used == _PAGES_PER_HUGE else _HUGE_BYTES
    for at in range(0, part.size_bytes, step):
        memory[at : at + len(piece)] = piece
    allocate_on(None)
    if part.huge == "later":
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))


def main() -> None:
    """Map the parts, tell where they are, and read the hot ones until killed."""
    described, cpu = json.loads(sys.argv[1]), int(sys.argv[2])
    os.sched_setaffinity(0, {cpu})
    parts = [Part(**words) for words in described]
    mapped = [_mapped(part) for part in parts]
    views = [memoryview(memory) for memory, _ in mapped]
    hot = [view for view, part in zip(views, parts, strict=True) if part.hot]
    print(json.dumps([start for _, start in mapped]), flush=True)
    while True:
        for view in hot:
            for at in range(0, len(view), _AT_ONCE):
                bytes(view[at : at + _AT_ONCE : PAGE_BYTES])
                time.sleep(_PAUSE_S)
        if not hot:
            time.sleep(3600)


if __name__ == "__main__":
    main()
