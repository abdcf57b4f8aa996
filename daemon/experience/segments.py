"""The files that experience is in: ``experience-00000001.jsonl`` and so on, the oldest first."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from damon_tuner.errors import JournalError

# As segment_name has it, so that a number has one name only.
_NAME = re.compile(r"experience-([0-9]{8}|[1-9][0-9]{8,15})\.jsonl")
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_PIECE_BYTES = 1 << 16


def segment_name(number: int) -> str:
    """Return the name of a segment."""
    return f"experience-{number:08d}.jsonl"


def segment_numbers(names: Iterable[str]) -> list[int]:
    """Return the numbers of the segments among ``names``, in order."""
    numbers = [int(match[1]) for match in map(_NAME.fullmatch, names) if match]
    return sorted(set(numbers))


class Segment:
    """One segment that is open for writing; ``size_bytes`` ends in a whole line."""

    def __init__(self, fd: int, size_bytes: int) -> None:
        self.fd = fd
        self.size_bytes = size_bytes

    def append(self, line: bytes) -> None:
        """Write all of ``line`` behind what is there, or leave that as it was."""
        end = self.size_bytes
        try:
            while line:
                count = os.pwrite(self.fd, line, end)
                line, end = line[count:], end + count
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(self.fd, self.size_bytes)
            raise
        self.size_bytes = end

    def is_as_left(self) -> bool:
        """Tell whether nobody has removed, cut or continued the file since."""
        seen = os.fstat(self.fd)
        return seen.st_nlink > 0 and seen.st_size == self.size_bytes

    def close(self) -> None:
        """Write no more."""
        os.close(self.fd)


class Folder:
    """The folder of the segments, held open: whatever happens to its name, it is the same one."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    def sizes(self) -> dict[int, int]:
        """Return the bytes in each segment by its number, the oldest first."""
        sizes = {}
        for number in segment_numbers(os.listdir(self.fd)):
            name = segment_name(number)
            with contextlib.suppress(FileNotFoundError):
                sizes[number] = os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_size
        return sizes

    def remove(self, number: int) -> None:
        """Have that segment no more."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(segment_name(number), dir_fd=self.fd)

    def create(self, number: int) -> Segment:
        """Begin a segment, which must not be there."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN
        return Segment(os.open(segment_name(number), flags, 0o600, dir_fd=self.fd), 0)

    def reopen(self, number: int) -> Segment:
        """Continue a segment; what a crash has left of its last line is cut off."""
        name = segment_name(number)
        fd = os.open(name, os.O_RDWR | _OPEN, dir_fd=self.fd)
        try:
            seen = os.fstat(fd)
            _require_trusted(self.path / name, seen)
            size_bytes = _end_of_last_line(fd, seen.st_size)
            if size_bytes != seen.st_size:
                os.ftruncate(fd, size_bytes)
            return Segment(fd, size_bytes)
        except BaseException:
            os.close(fd)
            raise


@contextlib.contextmanager
def opened_folder(path: Path) -> Iterator[Folder]:
    """Open the folder, which is made where there is none.

    Raises:
        JournalError: somebody other than this user could write in it.
        OSError: it cannot be made or opened.
    """
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _require_trusted(path, os.fstat(fd))
        yield Folder(path, fd)
    finally:
        os.close(fd)


def _require_trusted(path: Path, seen: os.stat_result) -> None:
    """Policies learn from it: nobody else may be able to write it."""
    if seen.st_uid != os.geteuid() or stat.S_IMODE(seen.st_mode) & 0o022:
        raise JournalError(
            f"{path} could be written by somebody else than this user: look what it is, and "
            "remove it, or name another folder for experience"
        )


def _end_of_last_line(fd: int, size_bytes: int) -> int:
    """Return how many bytes come up to the last newline, that included."""
    end = size_bytes
    while end > 0:
        start = max(end - _PIECE_BYTES, 0)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
