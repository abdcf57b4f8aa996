"""A trace instance of our own: its events, buffers and clock are nobody else's."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from damon_tuner.errors import DamonMissingError, NoPermissionError, TunerError
from damon_tuner.kernel_iface.tracing.formats import EventFormat, PageLayout
from damon_tuner.kernel_iface.tracing.pages import Record, lost_in, records_of
from damon_tuner.signals import signals_held

DEFAULT_NAME = "damon-tuner"
_TRACING = "sys/kernel/tracing"
_KIB = 1024


class TraceInstance:
    """Records ``events`` (``system/event``) while open, and is gone when closed.

    Each CPU gets ``buffer_bytes`` of kernel memory, rounded up to whole pages. With ``overwrite``
    the newest events are kept when a buffer is full, else the oldest. Times are nanoseconds of
    ``clock``, which is ``CLOCK_MONOTONIC`` unless told otherwise. An instance of the same name,
    left behind by a run that was killed, is removed first: the caller makes sure that nobody
    else uses ``name``. ``root`` is where the host's ``/sys`` is mounted.

    As a context manager it is open inside the block.
    """

    def __init__(
        self,
        events: Sequence[str],
        *,
        name: str = DEFAULT_NAME,
        buffer_bytes: int = 128 << 10,
        overwrite: bool = True,
        clock: str = "mono",
        root: Path = Path("/"),
    ) -> None:
        if sys.byteorder != "little":
            raise DamonMissingError("trace buffers are read on little-endian machines only")
        self.events = tuple(events)
        self.lost_events = 0
        self._tracing = root / _TRACING
        self._path = self._tracing / "instances" / name
        self._setup = {
            "buffer_size_kb": str(-(-buffer_bytes // _KIB)),
            "trace_clock": clock,
            "options/overwrite": str(int(overwrite)),
            **{f"events/{event}/enable": "1" for event in self.events},
            "tracing_on": "1",
        }
        self._is_open = False
        self._buffers: list[int] = []
        self.layout: PageLayout

    def open(self) -> None:
        """Make the instance and start recording; on any failure nothing is left.

        Raises:
            DamonMissingError: no tracing, or no such event, on this kernel.
            NoPermissionError: not root.

        """
        if self._is_open:
            raise RuntimeError("this trace instance is open already")
        try:
            self.layout = PageLayout.parse(self._read("events/header_page"))
            self._make()
            self._is_open = True
            for name, text in self._setup.items():
                (self._path / name).write_text(text)
            for path in sorted((self._path / "per_cpu").iterdir()):
                # One by one: what is open keeps the instance from being removed.
                self._buffers.append(
                    os.open(path / "trace_pipe_raw", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                )
        except OSError as error:
            self.close()
            raise _explained(error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop recording and remove the instance; may be called any number of times."""
        with signals_held():
            while self._buffers:
                os.close(self._buffers.pop())
            if self._is_open:
                self._remove()
                self._is_open = False

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def format_text(self, event: str) -> str:
        """Return the kernel's description of ``system/event``; raises ``DamonMissingError``."""
        return self._read(f"events/{event}/format")

    def format(self, event: str) -> EventFormat:
        """Return the layout of ``system/event``; raises ``DamonMissingError``."""
        return EventFormat.parse(self.format_text(event))

    def pages(self) -> Iterator[bytes]:
        """Take what was recorded since the last call out of the buffers, CPU by CPU."""
        for buffer in self._buffers:
            yield from self._pages_of(buffer)

    def pages_by_cpu(self) -> list[list[bytes]]:
        """Take what was recorded since the last call; the pages of each CPU in their order."""
        return [list(self._pages_of(buffer)) for buffer in self._buffers]

    def records(self) -> list[Record]:
        """Take what was recorded since the last call, of all CPUs, in the order of time."""
        found = [
            record for page in self.pages() for record in records_of(memoryview(page), self.layout)
        ]
        found.sort(key=lambda record: record.time_ns)
        return found

    def _pages_of(self, buffer: int) -> Iterator[bytes]:
        while page := self._page_of(buffer):
            self.lost_events += lost_in(memoryview(page), self.layout)
            yield page

    def _page_of(self, buffer: int) -> bytes:
        try:
            return os.read(buffer, self.layout.page_bytes)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise _explained(error) from error

    def _read(self, name: str) -> str:
        try:
            return (self._tracing / name).read_text()
        except OSError as error:
            raise _explained(error) from error

    def _make(self) -> None:
        try:
            self._path.mkdir()
        except FileExistsError:
            self._remove()
            self._path.mkdir()

    def _remove(self) -> None:
        for name in ("tracing_on", "events/enable"):
            # an instance that cannot be silenced is removed all the same
            with contextlib.suppress(OSError):
                (self._path / name).write_text("0")
        try:
            self._path.rmdir()
        except OSError as error:
            raise TunerError(
                f"the trace instance was not removed ({error.strerror}): rmdir {self._path}"
            ) from error


def leftover(root: Path = Path("/"), name: str = DEFAULT_NAME) -> Path | None:
    """Return the instance that a killed run has left behind; None when there is none."""
    path = root / _TRACING / "instances" / name
    return path if path.is_dir() else None


def remove_leftover(root: Path = Path("/"), name: str = DEFAULT_NAME) -> None:
    """Remove such an instance; the caller makes sure that no run is alive.

    Raises:
        TunerError: it is still in use.

    """
    TraceInstance([], name=name, root=root)._remove()


def _explained(error: OSError) -> TunerError:
    if isinstance(error, PermissionError):
        return NoPermissionError(f"cannot trace DAMON ({error}): run as root")
    if isinstance(error, FileNotFoundError):
        return DamonMissingError(
            f"this kernel cannot trace DAMON ({error.filename} is missing): use Linux 5.15 or "
            "newer with tracefs mounted"
        )
    return TunerError(f"cannot trace DAMON ({error}): is another program tracing?")
