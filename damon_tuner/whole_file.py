"""Files that are either the old one or the whole new one, whatever happens while writing."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from damon_tuner.signals import signals_held


def write_whole(path: Path, content: bytes, *, is_durable: bool = True) -> None:
    """Replace ``path``, making its folder if need be; leaves nothing behind when it fails.

    Signals that ask to stop wait until it is done. What is not durable waits for no disk; after
    a crash of the machine it may be empty.

    Raises:
        OSError: the file or its folder cannot be written.

    """
    with signals_held():
        fd, name = _beside(path)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
                file.flush()
                if is_durable:
                    os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise


def check_writable(path: Path) -> None:
    """Begin to write ``path`` and stop, so that what takes long finds out first.

    Raises:
        OSError: the file or its folder cannot be written.

    """
    with signals_held():
        fd, name = _beside(path)
        os.close(fd)
        os.unlink(name)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


def _beside(path: Path) -> tuple[int, str]:
    """Make an empty file in the same folder; ``tempfile`` is too large for the daemon."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        name = os.fspath(path.parent / f".{path.name}.{os.urandom(4).hex()}")
        with suppress(FileExistsError):
            return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), name
