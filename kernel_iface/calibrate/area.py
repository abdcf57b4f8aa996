"""Memory of this process to measure on, with or without huge pages, on one node or any."""

from __future__ import annotations

import mmap
from types import TracebackType
from typing import Literal

from damon_tuner import _core
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles

HUGE_BYTES = 2 << 20
PAGE_BYTES = 4096
Pages = Literal["small", "huge"]

_ADVICE = {"small": mmap.MADV_NOHUGEPAGE, "huge": mmap.MADV_HUGEPAGE}
_ROLLUP = "proc/self/smaps_rollup"


class Area:
    """``size_bytes`` of untouched anonymous memory, aligned to 2 MiB; ``view`` is all of it.

    With ``pages`` of None the kernel is told nothing about huge pages. With ``node`` the pages
    come from that NUMA node alone.

    Raises:
        TunerError: the memory cannot be mapped, or not be taken from the node.

    """

    def __init__(self, size_bytes: int, pages: Pages | None, node: int | None = None) -> None:
        self.size_bytes = size_bytes
        self._offset = 0
        try:
            self._map = mmap.mmap(
                -1, size_bytes + HUGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            )
        except (OSError, ValueError, OverflowError) as error:
            raise TunerError(
                f"{size_bytes >> 20} MiB of memory cannot be had ({error}): give a lower --max-mib"
            ) from None
        self._offset = -_core.bench_address(self._map) % HUGE_BYTES
        self.view = memoryview(self._map)[self._offset : self._offset + size_bytes]
        try:
            if pages is not None:
                self._advise_huge(pages)
            if node is not None:
                _bind(self.view, node)
        except BaseException:
            self.close()
            raise

    def advise(self, advice: int, start: int = 0, length: int | None = None) -> None:
        """``madvise`` a part; raises ``OSError`` as the kernel does."""
        self._map.madvise(advice, self._offset + start, length or self.size_bytes)

    def close(self) -> None:
        """Give the memory back."""
        self.view.release()
        self._map.close()

    def __enter__(self) -> Area:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _advise_huge(self, pages: Pages) -> None:
        try:
            self.advise(_ADVICE[pages])
        except OSError:
            # A kernel without huge pages refuses both: then small is what there is, and that
            # huge ones were not given shows where they are counted.
            return


def huge_bytes(files: HostFiles) -> int | None:
    """How much of this process is in huge pages; None where the kernel does not tell."""
    value = files.fields(_ROLLUP).get("AnonHugePages")
    return value << 10 if value is not None else None


def swapped_bytes(files: HostFiles) -> int:
    """How much of this process is swapped out, as far as the kernel tells."""
    return files.fields(_ROLLUP).get("Swap", 0) << 10


def _bind(view: memoryview, node: int) -> None:
    try:
        _core.bench_bind_node(view, node)
    except OSError as error:
        raise TunerError(
            f"memory of node {node} cannot be had ({error.strerror}): allow it in the cpuset"
        ) from None
