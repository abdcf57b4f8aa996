"""Writes the cpio archives (format "newc") that Linux unpacks as its first root file system."""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO

_TRAILER = "TRAILER!!!"
_ALIGNMENT = 4


class CpioWriter:
    """Writes one archive to ``stream``; use it as a context manager.

    Paths are those in the guest, absolute or relative to its root. Parent folders are added
    where missing, because the kernel does not make them. Owner is root, times are 0.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._inode = 0
        self._folders: set[PurePosixPath] = set()

    def __enter__(self) -> CpioWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._entry(_TRAILER, 0, b"")

    def folder(self, path: str | PurePosixPath, mode: int = 0o755) -> None:
        """Add a folder, if this archive does not have it yet."""
        relative = _relative(path)
        if not relative.parts or relative in self._folders:
            return
        self.folder(relative.parent)
        self._folders.add(relative)
        self._entry(str(relative), stat.S_IFDIR | mode, b"")

    def file(self, path: str | PurePosixPath, content: bytes, mode: int = 0o644) -> None:
        """Add a regular file."""
        self._entry(self._place(path), stat.S_IFREG | mode, content)

    def copy(self, path: str | PurePosixPath, source: Path) -> None:
        """Add a host's file with its permissions, following symbolic links (``OSError``)."""
        self.file(path, source.read_bytes(), stat.S_IMODE(source.stat().st_mode))

    def link(self, path: str | PurePosixPath, target: str) -> None:
        """Add a symbolic link."""
        self._entry(self._place(path), stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path: str | PurePosixPath, major: int, minor: int) -> None:
        """Add a character device."""
        self._entry(self._place(path), stat.S_IFCHR | 0o600, b"", (major, minor))

    def _place(self, path: str | PurePosixPath) -> str:
        relative = _relative(path)
        self.folder(relative.parent)
        return str(relative)

    def _entry(
        self, name: str, mode: int, content: bytes, device: tuple[int, int] = (0, 0)
    ) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (
            *(self._inode, mode, 0, 0, 1, 0, len(content)),  # inode mode uid gid nlink time size
            *(0, 0, *device, len(encoded), 0),  # device of the file, device it is, name, check
        )
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._stream.write(head + _padding(len(head)) + content + _padding(len(content)))


def _relative(path: str | PurePosixPath) -> PurePosixPath:
    return PurePosixPath("/", path).relative_to("/")


def _padding(length: int) -> bytes:
    return bytes(-length % _ALIGNMENT)
