"""The folder of what was downloaded or built once, safe for runs at the same time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


def cache_dir() -> Path:
    """Make and return the folder, below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home, "damon-tuner", "guest")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes that use ``locked`` on the same folder out, or wait for them."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def published(target: Path) -> Iterator[Path]:
    """Give a scratch folder that becomes ``target`` when the block ends without an error.

    Whoever sees ``target`` sees it whole: it appears in one rename. The caller holds the lock.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left_by_a_killed_run in target.parent.glob(".new-*"):
        shutil.rmtree(left_by_a_killed_run, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        yield scratch
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
