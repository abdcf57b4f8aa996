"""A trace instance on a folder that stands for tracefs: what it opens it closes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.tracing import TraceInstance
from damon_tuner.kernel_iface.tracing import instance as instance_module

from .ring_pages import HEADER_PAGE, PAGE_BYTES

EVENT = "damon/damon_aggregated"
CPUS = ("cpu0", "cpu1", "cpu2")


class Stop(BaseException):
    """What a signal raises."""


class Tracefs:
    """Makes the files of an instance with its folder, and takes them away with it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "sys/kernel/tracing"
        (self.folder / "events").mkdir(parents=True)
        (self.folder / "events/header_page").write_text(HEADER_PAGE)
        self.instance = self.folder / "instances/damon-tuner"
        self.instance.parent.mkdir()

    def mkdir(self, path: Path) -> None:
        for name in (f"events/{EVENT}", "options", *(f"per_cpu/{cpu}" for cpu in CPUS)):
            os.makedirs(path / name)
        for cpu in CPUS:
            (path / "per_cpu" / cpu / "trace_pipe_raw").write_bytes(b"")

    def rmdir(self, path: Path) -> None:
        if open_below(path):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        for folder, _, files in os.walk(path, topdown=False):
            for file in files:
                os.unlink(os.path.join(folder, file))
            os.rmdir(folder)


def open_below(path: Path) -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith(str(path)):
            found.append(target)
    return found


@pytest.fixture
def tracefs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracefs:
    made = Tracefs(tmp_path)
    monkeypatch.setattr(Path, "mkdir", lambda path: made.mkdir(path))
    monkeypatch.setattr(Path, "rmdir", lambda path: made.rmdir(path))
    return made


class FailingOs:
    """The module ``os``, of which one call fails from its ``nth`` use on, once."""

    def __init__(self, call: str, nth: int, error: BaseException, *, after: bool = False) -> None:
        self._call, self._left, self._error, self._after = call, nth, error, after

    def __getattr__(self, name: str) -> object:
        real = getattr(os, name)
        if name != self._call:
            return real

        def call(*arguments: object, **options: object) -> object:
            self._left -= 1
            if self._left != 0:
                return real(*arguments, **options)
            if self._after:
                real(*arguments, **options)
            raise self._error

        return call


def test_a_host_with_more_cpus_than_files_can_be_open_keeps_none_of_them(
    tmp_path: Path, tracefs: Tracefs, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    with monkeypatch.context() as patch:
        patch.setattr(instance_module, "os", FailingOs("open", 3, full))
        with pytest.raises(TunerError, match="cannot trace DAMON"):
            TraceInstance([EVENT], root=tmp_path).open()
    assert open_below(tracefs.instance) == []
    assert not tracefs.instance.exists()


def test_closing_goes_on_where_it_was_cut_short(
    tmp_path: Path, tracefs: Tracefs, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = TraceInstance([EVENT], root=tmp_path)
    trace.open()
    assert len(open_below(tracefs.instance)) == len(CPUS)
    with monkeypatch.context() as patch:
        patch.setattr(instance_module, "os", FailingOs("close", 2, Stop(), after=True))
        with pytest.raises(Stop):
            trace.close()
    trace.close()
    assert open_below(tracefs.instance) == []
    assert not tracefs.instance.exists()


def test_a_buffer_that_cannot_be_read_is_an_error_of_ours(
    tmp_path: Path, tracefs: Tracefs, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = OSError(errno.EIO, os.strerror(errno.EIO))
    with TraceInstance([EVENT], root=tmp_path) as trace:
        assert trace.layout.page_bytes == PAGE_BYTES
        with monkeypatch.context() as patch:
            patch.setattr(instance_module, "os", FailingOs("read", 1, failure))
            with pytest.raises(TunerError, match="cannot trace DAMON"):
                trace.pages_by_cpu()
