"""The journal: what was changed on the host, on disk before it is changed.

It outlives the process, so that ``damon-tuner restore`` can put back what a killed one could not.
Whatever fails here raises ``NoPermissionError`` (not root) or ``JournalError`` (the rest).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from damon_tuner.errors import JournalError, NoPermissionError
from damon_tuner.kernel_iface.sysfs.records import Owner, Record, Written, decode, encode
from damon_tuner.signals import signals_held

STATE_DIR = "var/lib/damon-tuner"
STATE_DIR_VARIABLE = "DAMON_TUNER_STATE_DIR"
JOURNAL = "journal"

# A value that is set every few seconds for weeks must not fill the disk.
_REWRITE_BYTES = 1 << 20


def state_dir(root: Path = Path("/"), chosen: Path | None = None) -> Path:
    """Return where the journal is: as chosen, or as the environment says, or as usual."""
    if chosen is not None:
        return chosen
    named = os.environ.get(STATE_DIR_VARIABLE)
    return Path(named) if named else root / STATE_DIR


def read_journal(folder: Path) -> Written | None:
    """Return what the journal in a folder says; None when there is none.

    Raises:
        JournalError: it cannot be read, or somebody other than root could have written it.
        NoPermissionError: only root can read it.
    """
    path = folder / JOURNAL
    with _explained("read", path):
        try:
            # Somebody's pipe must not hold us up before it is found out.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with os.fdopen(fd, "rb") as file:
            _require_trusted(path, os.fstat(fd))
            _require_trusted(folder, folder.stat())
            return decode(file.read())


def discard_journal(folder: Path) -> None:
    """Have no journal in a folder any more."""
    path = folder / JOURNAL
    with _explained("remove", path):
        path.unlink(missing_ok=True)
        _sync_folder(folder)


def keep_copy(folder: Path) -> Path:
    """Keep the journal as it is under another name, for people to look at; return that."""
    path = folder / JOURNAL
    copy = path.with_name(f"{JOURNAL}.damaged")
    with _explained("copy", path):
        copy.unlink(missing_ok=True)
        os.link(path, copy)
        _sync_folder(folder)
    return copy


class Journal:
    """One file of records, appended to and synced; there is none while nothing is changed."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        self.path = folder / JOURNAL
        self._owner = owner
        self._size_bytes = 0
        self._rewrite_bytes = 0
        self._begun = False

    def note(self, record: Record, earlier: Written) -> None:
        """Have ``record`` on disk when this returns; ``earlier`` is all that came before it."""
        # Cut short, this would not know where the file ends, and break the line at that place.
        with signals_held():
            self._note(record, earlier)

    def _note(self, record: Record, earlier: Written) -> None:
        if not self._begun or self._size_bytes > self._rewrite_bytes:
            self._replace(earlier)
        line = encode(record, self._owner)
        with _explained("write", self.path):
            fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                _append(fd, line, self._size_bytes)
            finally:
                os.close(fd)
        self._size_bytes += len(line)

    def remove(self) -> None:
        """Everything is put back: have no journal any more."""
        if self._begun:
            discard_journal(self.path.parent)
            self._begun = False

    def _replace(self, written: Written) -> None:
        """Write a whole journal beside the old one, and put it in its place."""
        content = b"".join(encode(record, self._owner) for record in written.records())
        beside = self.path.with_name(f"{JOURNAL}.new")
        with _explained("write", self.path):
            self._make_folder()
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            fd = os.open(beside, flags, 0o600)
            try:
                _append(fd, content, 0)
            finally:
                os.close(fd)
            # Before it is there, because a signal after it must not leave it there.
            self._begun = True
            os.replace(beside, self.path)
            self._size_bytes = len(content)
            self._rewrite_bytes = max(_REWRITE_BYTES, 2 * len(content))
            _sync_folder(self.path.parent)

    def _make_folder(self) -> None:
        folder = self.path.parent
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
            _sync_folder(folder.parent)
        _require_trusted(folder, folder.stat())


def _require_trusted(path: Path, seen: os.stat_result) -> None:
    """Root obeys the journal: nobody else may be able to write it."""
    if seen.st_uid != os.geteuid() or stat.S_IMODE(seen.st_mode) & 0o022:
        raise JournalError(
            f"{path} could have been written by somebody else than this user: look what it is, "
            "and remove it, or name another folder with --state-dir"
        )


def _append(fd: int, content: bytes, offset: int) -> None:
    """Write and sync all of ``content`` at ``offset``, or leave what was there before."""
    end = offset
    try:
        while content:
            count = os.pwrite(fd, content, end)
            content, end = content[count:], end + count
        os.fsync(fd)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(fd, offset)
        raise


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def _explained(verb: str, path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise NoPermissionError(f"cannot {verb} {path} ({error.strerror}): run as root") from error
    except OSError as error:
        raise JournalError(
            f"cannot {verb} the journal {path} ({error.strerror}), without which nothing is "
            "changed: make room there, or name another folder with --state-dir"
        ) from error
