"""Files that are either the old one or the whole new one, whatever happens while writing."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from damon_tuner.signals import signals_held


def write_whole(path: Path, content: bytes) -> None:
    """Replace ``path``, making its folder if need be; leaves nothing behind when it fails.

    Signals that ask to stop wait until it is done.

    Raises:
        OSError: the file or its folder cannot be written.

    """
    with signals_held():
        fd, name = _beside(path)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
                file.flush()
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
    path.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
