"""The real files, and waiting for real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.host import Context
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.tree import Access, Tree


def test_reading_and_writing_below_the_root(tmp_path):
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys/file").write_text("old\n")
    accesses: list[Access] = []
    tree = Tree(LocalKernel(tmp_path), record=accesses.append)
    assert tree.read("sys/file") == "old"
    tree.write("sys/file", "new")
    assert tree.read("sys/file") == "new"
    assert tree.names("sys") == ["file"]
    assert tree.names("none") == []
    assert tree.exists("sys/file")
    assert tree.read_if_present("sys/none") is None
    assert [(a.operation, a.path, a.text) for a in accesses[:2]] == [
        ("read", "sys/file", ""),
        ("write", "sys/file", "new"),
    ]


def test_a_missing_file_is_not_created(tmp_path):
    tree = Tree(LocalKernel(tmp_path))
    with pytest.raises(DamonMissingError, match="/none"):
        tree.write("none", "1")
    assert not (tmp_path / "none").exists()


def test_names_in_no_encoding_are_read(tmp_path):
    (tmp_path / "stat").write_bytes(b"1 (\xff\xfe) S")
    assert LocalKernel(tmp_path).read("stat").endswith(") S")


def test_a_file_larger_than_one_read(tmp_path):
    (tmp_path / "iomem").write_text("x" * 200_000)
    assert len(LocalKernel(tmp_path).read("iomem")) == 200_000


def test_waiting_ends_when_the_process_does():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    begun = time.monotonic()
    child.communicate(b"\n")
    LocalKernel().wait(60, child.pid)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("pid", [None, os.getpid()])
def test_waiting_takes_its_time(pid):
    kernel = LocalKernel()
    begun_us = kernel.now_us()
    kernel.wait(0.02, pid)
    assert kernel.now_us() - begun_us >= 19_000


def test_a_root_without_damon(tmp_path: Path):
    with pytest.raises(DamonMissingError, match="no DAMON"):
        SysfsHost(Context(pid=os.getpid()), root=tmp_path).start([])


def test_a_lock_excludes_others_until_it_is_released(tmp_path):
    kernel = LocalKernel(tmp_path)
    unlock = kernel.lock("lock")
    with pytest.raises(BlockingIOError):
        LocalKernel(tmp_path).lock("lock")
    unlock()
    LocalKernel(tmp_path).lock("lock")()
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_names_in_no_encoding_are_written_as_they_are(tmp_path):
    (tmp_path / "path").write_bytes(b"")
    kernel = LocalKernel(tmp_path)
    kernel.write("path", os.fsdecode(b"/caf\xe9"))
    assert (tmp_path / "path").read_bytes() == b"/caf\xe9"
    assert kernel.read("path") == os.fsdecode(b"/caf\xe9")
