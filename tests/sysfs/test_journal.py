"""The journal on disk: there before the change, whole or not at all, and obeyed with care."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damon_tuner.checked_line import checked_line, read_checked_line
from damon_tuner.errors import JournalError, NoPermissionError, TunerError
from damon_tuner.kernel_iface.sysfs import journal as journal_module
from damon_tuner.kernel_iface.sysfs.journal import JOURNAL, Journal, read_journal, state_dir
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.records import (
    Back,
    Change,
    Claim,
    Entry,
    Owner,
    Written,
    decode,
    encode,
)
from damon_tuner.kernel_iface.sysfs.tree import Tree
from damon_tuner.signals import Stopped, stop_on_signals

from .fake_kernel import FakeKernel, failure

OWNER = Owner("boot", 7, 70)
CAP = "sys/class/devfreq/dmc0/max_freq"
CHANGE = Change(CAP, "900", "800")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def capped(kernel: FakeKernel) -> FakeKernel:
    kernel.files[CAP] = "900"
    return kernel


def ledger_of(kernel: FakeKernel, folder: Path) -> Ledger:
    return Ledger(Tree(kernel, busy_timeout_s=0), folder)


def test_the_journal_is_on_disk_before_each_change(capped: FakeKernel, folder: Path) -> None:
    known: list[dict[str, Entry]] = []

    def look(path: str, text: str) -> None:
        written = read_journal(folder)
        assert written is not None
        known.append(written.entries)

    capped.before_write = look
    ledger = ledger_of(capped, folder)
    ledger.write(CAP, "800")
    ledger.write(CAP, "700", undo="0")
    assert known[0] == {CAP: Entry(CAP, "900", ["800"])}
    assert known[1] == {CAP: Entry(CAP, "900", ["800", "700"], "0")}
    assert (folder.stat().st_mode & 0o777, (folder / JOURNAL).stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    ledger.restore()
    assert os.listdir(folder) == []


def test_nothing_is_created_while_nothing_changes(capped: FakeKernel, folder: Path) -> None:
    ledger = ledger_of(capped, folder)
    ledger.write(CAP, "900")
    ledger.restore()
    assert not folder.exists()


def test_what_the_file_shows_instead_is_ours_too(capped: FakeKernel, folder: Path) -> None:
    store = capped._store
    capped._store = lambda path, text: store(path, "825" if text == "830" else text)
    ledger_of(capped, folder).write(CAP, "830")
    written = read_journal(folder)
    assert written is not None
    assert written.entries[CAP].ours == ["830", "825"]


CALLS = ("pwrite", "fsync", "open", "replace")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", CALLS)
def test_a_disk_that_fails_at_any_call_changes_nothing(
    capped: FakeKernel, folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    for nth in range(1, 20):
        with monkeypatch.context() as patch:
            failing = FailingOs(call, nth, number)
            patch.setattr(journal_module, "os", failing)
            ledger = ledger_of(capped, folder)
            try:
                ledger.write(CAP, "800")
                ledger.write(CAP, "700")
            except JournalError as error:
                assert "--state-dir" in str(error)
                held = "900" if len(capped.writes) == 0 else "800"
                assert capped.files[CAP] == held
        assert ledger_state(folder).get(CAP, "900") == "900"
        ledger.restore()
        assert capped.files[CAP] == "900"
        assert not (folder / JOURNAL).exists()
        capped.writes.clear()
        if not failing.failed:
            assert nth > 1
            return
    pytest.fail("never came through")


def ledger_state(folder: Path) -> dict[str, str]:
    written = read_journal(folder)
    return {} if written is None else {e.path: e.before for e in written.entries.values()}


class FailingOs:
    """The module ``os``, whose ``call`` fails at its ``nth`` use."""

    def __init__(self, call: str, nth: int, number: int) -> None:
        self._call, self._left, self._number = call, nth, number
        self.failed = False

    def __getattr__(self, name: str) -> object:
        real = getattr(os, name)
        if name != self._call:
            return real

        def call(*arguments: object, **options: object) -> object:
            self._left -= 1
            if self._left == 0:
                self.failed = True
                raise failure(self._number)
            return real(*arguments, **options)

        return call


@pytest.mark.parametrize("call", ["pwrite", "fsync", "close", "replace"])
def test_a_signal_at_any_call_breaks_no_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    for nth in range(1, 20):
        journal, written = Journal(folder, OWNER), Written()
        with monkeypatch.context() as patch:
            signalled = SignalledOs(call, nth)
            patch.setattr(journal_module, "os", signalled)
            patch.setattr(journal_module, "_REWRITE_BYTES", 300)
            with contextlib.suppress(Stopped), stop_on_signals():
                for text in ("800", "a much longer text than before", "700"):
                    change = Change(CAP, "900", text)
                    journal.note(change, written)
                    written.add(change)
        journal.note(Back(CAP), written)
        seen = read_journal(folder)
        assert seen is not None
        assert (seen.entries, seen.damaged) == ({}, [])
        if not signalled.struck:
            assert nth > 1
            return
    pytest.fail("never came through")


class SignalledOs:
    """The module ``os``; SIGTERM arrives as soon as ``call`` was used ``nth`` times."""

    def __init__(self, call: str, nth: int) -> None:
        self._call, self._left = call, nth
        self.struck = False

    def __getattr__(self, name: str) -> object:
        real = getattr(os, name)
        if name != self._call:
            return real

        def call(*arguments: object, **options: object) -> object:
            result = real(*arguments, **options)
            self._left -= 1
            if self._left == 0:
                self.struck = True
                os.kill(os.getpid(), signal.SIGTERM)
            return result

        return call


def test_a_folder_that_cannot_be_synced_once_breaks_no_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = Journal(folder, OWNER)
    killed.note(CHANGE, Written())
    written = read_journal(folder)
    assert written is not None
    journal = Journal(folder, Owner("boot", 8, 80))
    with monkeypatch.context() as patch:
        # The new journal is synced first, and then its folder.
        patch.setattr(journal_module, "os", FailingOs("fsync", 2, errno.EIO))
        with pytest.raises(JournalError):
            journal.note(Back("sys/b"), written)
    journal.note(Back("sys/b"), written)
    seen = read_journal(folder)
    assert seen is not None
    assert (list(seen.entries), seen.damaged) == ([CAP], [])


def test_a_journal_of_much_is_not_written_anew_for_each_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_REWRITE_BYTES", 2_000)
    written = Written()
    for number in range(100):
        written.add(Change(f"sys/{number}", "a", "b"))
    journal = Journal(folder, OWNER)
    inodes = set()
    for step in range(20):
        journal.note(Change("sys/0", "a", str(step)), written)
        inodes.add((folder / JOURNAL).stat().st_ino)
    assert len(inodes) == 1


def test_short_writes_are_completed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(
        journal_module.os, "pwrite", lambda fd, data, at: real(fd, bytes(data)[:3], at)
    )
    Journal(folder, OWNER).note(CHANGE, Written())
    assert (folder / JOURNAL).read_bytes() == encode(CHANGE, OWNER)


def test_a_long_journal_is_written_anew_and_stays_short(
    capped: FakeKernel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_REWRITE_BYTES", 2_000)
    ledger = ledger_of(capped, folder)
    for step in range(100):
        ledger.write(CAP, str(800 + step % 50))
    assert (folder / JOURNAL).stat().st_size < 3_000
    assert ledger_state(folder) == {CAP: "900"}


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_journal_that_others_can_write_is_not_obeyed(folder: Path, mode: int) -> None:
    Journal(folder, OWNER).note(CHANGE, Written())
    (folder / JOURNAL).chmod(mode)
    with pytest.raises(JournalError, match="somebody else"):
        read_journal(folder)


def test_a_link_is_not_followed(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / JOURNAL).symlink_to("/etc/passwd")
    with pytest.raises(JournalError):
        read_journal(folder)


def test_a_pipe_of_somebody_else_holds_nobody_up(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.mkfifo(folder / JOURNAL)
    (folder / JOURNAL).chmod(0o666)
    code = (
        "import sys; from pathlib import Path\n"
        "from damon_tuner.kernel_iface.sysfs.journal import read_journal\n"
        "read_journal(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder], timeout=30, capture_output=True, text=True
    )
    assert "JournalError" in done.stderr and "somebody else" in done.stderr


def test_a_folder_that_cannot_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "os", FailingOs("open", 1, errno.EACCES))
    with pytest.raises(NoPermissionError, match="run as root"):
        read_journal(folder)


@pytest.mark.parametrize(
    "path", ["etc/passwd", "proc/self/mem", "sys/../etc/passwd", "/sys/x", "dev/mem"]
)
def test_only_the_kernels_files_are_believed(path: str) -> None:
    written = decode(encode(Change(path, "a", "b"), OWNER))
    assert (written.entries, written.damaged) == ({}, [1])


def test_another_release_is_named() -> None:
    content = read_checked_line(encode(CHANGE, OWNER))
    with pytest.raises(JournalError, match=r"9\.9"):
        decode(checked_line({**content, "format": 99, "version": "9.9"}))


TEXTS = st.text(max_size=20)
PATHS = st.sampled_from(["sys/a", "sys/b", "sys/c"])
RECORDS = st.one_of(
    st.builds(Change, PATHS, TEXTS, TEXTS, st.none() | TEXTS),
    st.builds(Back, PATHS),
    st.builds(
        Claim,
        st.lists(st.none() | st.tuples(st.integers(1), st.integers(0)), max_size=3).map(tuple),
        TEXTS,
    ),
)


@given(st.lists(RECORDS, max_size=8), st.data())
def test_any_prefix_says_what_was_written_whole(noted: list[object], data: st.DataObject) -> None:
    lines = [encode(record, OWNER) for record in noted]
    content = b"".join(lines)
    cut = data.draw(st.integers(0, len(content)))
    whole, size = Written(), 0
    for record, line in zip(noted, lines, strict=True):
        size += len(line)
        if size > cut:
            break
        whole.add(record)
    seen = decode(content[:cut])
    assert (seen.entries, seen.claim, seen.damaged) == (whole.entries, whole.claim, [])


@given(st.lists(RECORDS, min_size=1, max_size=5), st.data())
def test_any_changed_byte_is_noticed(noted: list[object], data: st.DataObject) -> None:
    content = bytearray(b"".join(encode(record, OWNER) for record in noted))
    place = data.draw(st.integers(0, len(content) - 2))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        seen = decode(bytes(content))
    except TunerError:
        return
    assert seen.damaged


@given(st.lists(RECORDS, max_size=8))
def test_what_is_written_anew_amounts_to_the_same(noted: list[object]) -> None:
    written = Written()
    for record in noted:
        written.add(record)
    again = Written()
    for record in written.records():
        again.add(record)
    assert (again.entries, again.claim) == (written.entries, written.claim)


def test_where_the_journal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAMON_TUNER_STATE_DIR", raising=False)
    assert state_dir() == Path("/var/lib/damon-tuner")
    assert state_dir(Path("/host")) == Path("/host/var/lib/damon-tuner")
    monkeypatch.setenv("DAMON_TUNER_STATE_DIR", "/elsewhere")
    assert state_dir() == Path("/elsewhere")
    assert state_dir(chosen=Path("/here")) == Path("/here")
