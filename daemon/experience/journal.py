"""The journal of experience: bounded, in segments, and never in the way of what it records."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from damon_tuner.daemon.experience.background_sync import BackgroundSync
from damon_tuner.daemon.experience.record import Experience, encode
from damon_tuner.daemon.experience.segments import Folder, Segment, opened_folder
from damon_tuner.errors import JournalError
from damon_tuner.signals import signals_held

NR_SEGMENTS = 8
# A power cut takes no more than the last minute, with an interval between appends.
_SYNC_S = 50.0
_FIRST_RETRY_S = 10.0
_LAST_RETRY_S = 3600.0
_CLOSE_S = 5.0


class ExperienceJournal:
    """Records in a folder of segments, which together never hold more than ``max_bytes``.

    Nothing is touched before the first ``append``, and nothing ever raises because of a disk:
    ``trouble`` says why the last record was not kept, or is empty, and ``lost`` counts those that
    were not. After trouble with the disk nothing is tried for 10 s, then for twice as long each
    time, at most for an hour.
    """

    def __init__(
        self, folder: Path, max_bytes: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self.trouble = ""
        self.lost = 0
        self._max_bytes = max_bytes
        self._segment_bytes = max_bytes // NR_SEGMENTS
        self._clock = clock
        self._segment: Segment | None = None
        self._sync = BackgroundSync()
        self._unsynced_since_s: float | None = None
        self._retry_s = _FIRST_RETRY_S
        self._retry_at_s: float | None = None

    def append(self, record: Experience) -> bool:
        """Keep ``record``; tell whether that succeeded.

        It is in the page cache then, and on disk within a minute of appends: a crash or a kill
        loses nothing, a power cut the last minute.
        """
        if self._retry_at_s is not None and self._clock() < self._retry_at_s:
            self.lost += 1
            return False
        try:
            line = self._line(record)
        except ValueError as error:
            return self._failed(f"a record cannot be kept: {error}")
        try:
            # Cut short, a line would stay torn, or a segment be neither open nor closed.
            with signals_held():
                self._write(line)
        except (JournalError, OSError) as error:
            self._wait_before_retry()
            return self._failed(self._explained(error))
        self.trouble, self._retry_s, self._retry_at_s = "", _FIRST_RETRY_S, None
        return True

    def close(self) -> None:
        """Have everything on disk, if that takes no longer than 5 s; appends open it again."""
        with signals_held():
            self._let_go()
        self._sync.wait(_CLOSE_S)

    def _line(self, record: Experience) -> bytes:
        line = encode(record)
        if len(line) > self._segment_bytes:
            raise ValueError(
                f"it is larger than the {self._segment_bytes} bytes of a segment: let "
                f"experience take more than {self._max_bytes} bytes"
            )
        return line

    def _explained(self, error: JournalError | OSError) -> str:
        if isinstance(error, JournalError):
            return str(error)
        return (
            f"experience cannot be kept in {self.folder} ({error.strerror}): make room there, or "
            "name another folder for it"
        )

    def _failed(self, trouble: str) -> bool:
        self.trouble = trouble
        self.lost += 1
        return False

    def _wait_before_retry(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None
        self._retry_at_s = self._clock() + self._retry_s
        self._retry_s = min(2.0 * self._retry_s, _LAST_RETRY_S)

    def _write(self, line: bytes) -> None:
        error = self._sync.take_error()
        if error is not None:
            raise error
        if self._segment is not None and not self._segment.is_as_left():
            self._let_go()
        segment = self._segment or self._continue()
        if segment.size_bytes + len(line) > self._segment_bytes:
            segment = self._next()
        segment.append(line)
        self._sync_in_time(segment)

    def _continue(self) -> Segment:
        """Open the newest segment again, or begin the first one."""
        with opened_folder(self.folder) as folder:
            sizes = folder.sizes()
            newest = max(sizes, default=0)
            if sizes.pop(newest, self._segment_bytes) >= self._segment_bytes:
                return self._begin(folder)
            self._make_room(folder, sizes)
            self._segment = folder.reopen(newest)
            return self._segment

    def _next(self) -> Segment:
        self._let_go()
        with opened_folder(self.folder) as folder:
            return self._begin(folder)

    def _begin(self, folder: Folder) -> Segment:
        sizes = folder.sizes()
        self._make_room(folder, sizes)
        self._segment = folder.create(max(sizes, default=0) + 1)
        self._sync.request(folder.fd)
        return self._segment

    def _make_room(self, folder: Folder, sizes: Mapping[int, int]) -> None:
        """Remove the oldest segments of these until there is room for a whole one."""
        total_bytes = sum(sizes.values())
        for number, size_bytes in sizes.items():
            if total_bytes + self._segment_bytes <= self._max_bytes:
                return
            folder.remove(number)
            total_bytes -= size_bytes

    def _sync_in_time(self, segment: Segment) -> None:
        now_s = self._clock()
        if self._unsynced_since_s is None:
            self._unsynced_since_s = now_s
        elif now_s - self._unsynced_since_s >= _SYNC_S:
            self._sync.request(segment.fd)
            self._unsynced_since_s = None

    def _let_go(self) -> None:
        """Close the segment; it goes to the disk in the background."""
        if self._segment is not None:
            self._sync.request(self._segment.fd)
            self._segment.close()
            self._segment = self._unsynced_since_s = None
