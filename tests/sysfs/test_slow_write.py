"""Writes by a child: they end, fail, block and are given up without stopping the caller."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.ledger import Change, Ledger
from damon_tuner.kernel_iface.sysfs.slow_write import SlowWrite
from damon_tuner.kernel_iface.sysfs.tree import Access, Tree

PATIENCE_S = 20.0


def ended(write: SlowWrite) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while (result := write.poll()) is None:
        assert time.monotonic() < deadline
        os.sched_yield()
    return result


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "state").write_text("online")
    return Tree(LocalKernel(tmp_path))


@pytest.fixture
def full_pipe(tmp_path: Path) -> Iterator[str]:
    """A file on which every write blocks."""
    os.mkfifo(tmp_path / "full")
    fd = os.open(tmp_path / "full", os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 4096)
    os.write(fd, bytes(4096))
    yield "full"
    os.close(fd)


def test_a_write_succeeds(tree: Tree, tmp_path: Path) -> None:
    assert ended(tree.start_write("state", "offline", PATIENCE_S)) == 0
    assert (tmp_path / "state").read_text() == "offline"


def test_a_write_fails_as_the_kernel_says() -> None:
    seen: list[Access] = []
    tree = Tree(LocalKernel(), record=seen.append)
    write = tree.start_write("dev/full", "offline", PATIENCE_S)
    assert ended(write) == errno.ENOSPC
    assert ended(write) == errno.ENOSPC
    assert seen == [Access("write", "dev/full", "offline", errno.ENOSPC)]


def test_a_missing_file_is_told_at_once(tree: Tree) -> None:
    with pytest.raises(DamonMissingError):
        tree.start_write("memory9/state", "offline", PATIENCE_S)


def test_a_blocked_write_ends_at_its_deadline(tree: Tree, full_pipe: str) -> None:
    write = tree.start_write(full_pipe, "offline", 0.05)
    assert ended(write) == errno.ETIMEDOUT


def test_a_blocked_write_is_cancelled(tree: Tree, full_pipe: str) -> None:
    write = tree.start_write(full_pipe, "offline", PATIENCE_S)
    assert write.poll() is None
    assert write.cancel(PATIENCE_S) == errno.EINTR
    assert write.poll() == errno.EINTR


def test_a_write_is_cancelled_without_a_file_descriptor_left(
    tree: Tree, full_pipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = tree.start_write(full_pipe, "x", PATIENCE_S)

    def none_left(pid: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", none_left)
    assert write.cancel(PATIENCE_S) in (None, errno.EINTR)
    assert ended(write) == errno.EINTR


def test_a_result_that_somebody_else_took_is_unknown(tree: Tree) -> None:
    write = tree.start_write("state", "offline", PATIENCE_S)
    os.waitpid(-1, 0)
    assert ended(write) == errno.ECHILD


def test_the_ledger_knows_the_way_back_before_the_write_ends(tree: Tree, tmp_path: Path) -> None:
    ledger = Ledger(tree)
    write = ledger.start_write("state", "offline", undo="online_movable", timeout_s=PATIENCE_S)
    assert ledger.changes == (Change("state", "online", "offline", "online_movable"),)
    assert ended(write) == 0
    ledger.put_back("state")
    assert (tmp_path / "state").read_text() == "online_movable"
    assert ledger.changes == ()


def test_reading_at_an_offset(tree: Tree) -> None:
    assert tree.read_at("state", 2, 3) == b"lin"
    assert tree.read_at("state", 6, 3) == b""
