"""A disk that outlives the guest: a file of this machine, with a file system of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest.apt import run_tool

_TOOL = "mke2fs"


def make_disk(path: Path, size_bytes: int) -> None:
    """Make an empty ext4 of ``size_bytes`` at ``path``, in place of whatever was there.

    The guest finds it at ``init.DISK`` and mounts it itself. Raises ``GuestError`` where there is
    no tool to make it.
    """
    tool = shutil.which(_TOOL, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if tool is None:
        raise GuestError(f"{_TOOL} not found: run 'apt-get install e2fsprogs' as root")
    with path.open("wb") as disk:
        disk.truncate(size_bytes)
    run_tool((tool, "-q", "-t", "ext4", str(path)))
