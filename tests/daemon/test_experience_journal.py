"""The journal of experience stays within its bounds, and nothing that befalls it does harm."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner.daemon.experience import ExperienceJournal, background_sync, segments
from damon_tuner.daemon.experience import journal as journal_module
from damon_tuner.daemon.experience.record import Experience, encode
from damon_tuner.signals import Stopped, stop_on_signals

from .experiences import RECORD, kept, series

MAX_BYTES = 64 << 20
LINE_BYTES = len(encode(RECORD))


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "experience"


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def the_segment(folder: Path) -> Path:
    (segment,) = folder.iterdir()
    return segment


def test_nothing_is_there_before_it_is_needed_and_only_its_owner_reads_it(folder: Path) -> None:
    journal = ExperienceJournal(folder, MAX_BYTES)
    journal.close()
    assert not folder.exists()
    assert journal.append(RECORD)
    journal.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert the_segment(folder).name == "experience-00000001.jsonl"
    assert stat.S_IMODE(the_segment(folder).stat().st_mode) == 0o600


def test_one_file_is_continued_over_restarts(folder: Path) -> None:
    records = series(9)
    for k in range(0, 9, 3):
        journal = ExperienceJournal(folder, MAX_BYTES)
        assert all(journal.append(record) for record in records[k : k + 3])
        journal.close()
    assert kept(folder).records == records
    assert the_segment(folder).read_bytes() == b"".join(map(encode, records))


def test_it_can_be_appended_to_after_it_was_closed(folder: Path) -> None:
    journal = ExperienceJournal(folder, MAX_BYTES)
    for record in series(3):
        assert journal.append(record)
        journal.close()
        journal.close()
    assert kept(folder).records == series(3)


def test_a_kill_at_any_byte_of_a_write_loses_at_most_the_last_record(folder: Path) -> None:
    before, last, later = series(3)
    content = encode(before) + encode(last)
    folder.mkdir(parents=True, mode=0o700)
    segment = folder / "experience-00000001.jsonl"
    for cut in range(len(encode(before)), len(content) + 1):
        segment.write_bytes(content[:cut])
        torn = kept(folder)
        whole = [before, last] if cut == len(content) else [before]
        assert torn.records == whole
        assert torn.nr_damaged == (0 if cut in (len(encode(before)), len(content)) else 1)
        journal = ExperienceJournal(folder, MAX_BYTES)
        assert journal.append(later)
        journal.close()
        again = kept(folder)
        assert (again.records, again.nr_damaged) == ([*whole, later], 0)


def test_a_tail_longer_than_a_piece_is_cut_off(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    segment = folder / "experience-00000001.jsonl"
    for beginning in ([], [RECORD]):
        # As some file systems leave it when the power is cut.
        segment.write_bytes(b"".join(map(encode, beginning)) + bytes(1 << 18))
        journal = ExperienceJournal(folder, MAX_BYTES)
        assert journal.append(RECORD)
        journal.close()
        assert segment.read_bytes() == b"".join(map(encode, [*beginning, RECORD]))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_bound_holds_whatever_is_appended(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("state") / "experience"
    max_bytes = 20 * LINE_BYTES
    journal = ExperienceJournal(folder, max_bytes)
    appended: list[Experience] = []
    clock_s = 0.0
    for _ in range(data.draw(st.integers(1, 30))):
        if data.draw(st.integers(0, 9)) == 0:
            journal.close()
            max_bytes = data.draw(st.integers(10, 40)) * LINE_BYTES
            journal = ExperienceJournal(folder, max_bytes)
        tenant = "t" * data.draw(st.integers(1, 200))
        for _ in range(data.draw(st.integers(1, 8))):
            clock_s += 5.0
            record = series(1, tenant=tenant)[0]
            assert journal.append(record) == (len(encode(record)) <= max_bytes // 8)
            if not journal.trouble:
                appended.append(record)
                assert size_of(folder) <= max_bytes
    journal.close()
    found = kept(folder)
    assert found.nr_damaged == 0
    # What is there is the end of what was appended, and not too little of it.
    assert found.records == appended[len(appended) - len(found.records) :]


def test_most_of_the_room_is_used_and_the_oldest_goes_first(folder: Path) -> None:
    max_bytes = 100 * LINE_BYTES
    journal = ExperienceJournal(folder, max_bytes)
    records = series(500)
    assert all([journal.append(record) for record in records])
    journal.close()
    found = kept(folder).records
    assert found == records[-len(found) :]
    assert 0.7 * max_bytes < size_of(folder) <= max_bytes
    names = sorted(file.name for file in folder.iterdir())
    assert all(file.stat().st_size <= max_bytes // 8 for file in folder.iterdir())
    assert 7 <= len(names) <= 9


def test_what_others_keep_there_is_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    others = ["experience-1.jsonl", "experience-00000000x.jsonl", "notes", "experience-0.jsonl"]
    for name in others:
        (folder / name).write_text("mine\n")
    journal = ExperienceJournal(folder, 20 * LINE_BYTES)
    assert all([journal.append(record) for record in series(100)])
    journal.close()
    assert [(folder / name).read_text() for name in others] == ["mine\n"] * 4
    assert kept(folder).nr_damaged == 0


def test_a_smaller_bound_holds_from_the_first_record_on(folder: Path) -> None:
    journal = ExperienceJournal(folder, 100 * LINE_BYTES)
    assert all([journal.append(record) for record in series(200)])
    journal.close()
    journal = ExperienceJournal(folder, 10 * LINE_BYTES)
    assert journal.append(RECORD)
    journal.close()
    assert size_of(folder) <= 10 * LINE_BYTES
    assert kept(folder).records[-1] == RECORD


def test_a_record_that_is_too_large_hinders_no_other(folder: Path) -> None:
    journal = ExperienceJournal(folder, 9 * LINE_BYTES)
    assert not journal.append(series(1, tenant="t" * 5000)[0])
    assert "larger than" in journal.trouble
    assert journal.append(RECORD)
    assert (journal.trouble, journal.lost) == ("", 1)
    journal.close()


class FaultyOs:
    """The module ``os``; ``call`` does ``fault`` instead while that is set, from ``nth`` on."""

    def __init__(self, call: str, fault: Callable[..., object], nth: int = 1) -> None:
        self.call, self.fault, self.left = call, fault, nth
        self.is_on = True

    def __getattr__(self, name: str) -> object:
        real = getattr(os, name)
        if name != self.call:
            return real

        def instead(*arguments: object, **options: object) -> object:
            self.left -= 1
            if not self.is_on or self.left > 0:
                return real(*arguments, **options)
            return self.fault(*arguments, **options)

        return instead


def failing(number: int) -> Callable[..., object]:
    def fail(*arguments: object, **options: object) -> object:
        raise OSError(number, os.strerror(number))

    return fail


def writing_half(fd: int, data: bytes, offset: int) -> int:
    """Part of it is written, and the next time there is no room."""
    if len(data) < 10:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return os.pwrite(fd, data[: len(data) // 2], offset)


FAULTS = [
    *[("pwrite", failing(n)) for n in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)],
    ("pwrite", writing_half),
    ("fstat", failing(errno.EIO)),
    ("open", failing(errno.EROFS)),
    ("open", failing(errno.EACCES)),
    ("open", failing(errno.EMFILE)),
    ("listdir", failing(errno.EIO)),
    ("unlink", failing(errno.EROFS)),
]


@pytest.mark.parametrize(("call", "fault"), FAULTS)
@pytest.mark.parametrize("nth", [1, 2, 3, 7])
def test_a_disk_that_fails_harms_nothing_but_what_came_meanwhile(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    fault: Callable[..., object],
    nth: int,
) -> None:
    clock = Clock()
    faulty = FaultyOs(call, fault, nth)
    monkeypatch.setattr(segments, "os", faulty)
    journal = ExperienceJournal(folder, 16 * LINE_BYTES, clock=clock)
    whole = []
    records = series(60)
    for record in records[:30]:
        clock.now_s += 5.0
        if journal.append(record):
            whole.append(record)
            assert journal.trouble == ""
        else:
            assert str(folder) in journal.trouble and "make room" in journal.trouble
            assert "\n" not in journal.trouble
    assert journal.lost == 30 - len(whole)
    faulty.is_on = False
    clock.now_s += 3600.0
    for record in records[30:]:
        assert journal.append(record)
    journal.close()
    found = kept(folder)
    assert found.nr_damaged == 0
    assert found.records == [*whole, *records[30:]][-len(found.records) :]
    assert size_of(folder) <= 16 * LINE_BYTES


def test_half_a_line_that_could_not_be_taken_back_is_cut_off_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    journal = ExperienceJournal(folder, MAX_BYTES, clock=clock)
    first, lost, last = series(3)
    assert journal.append(first)
    with monkeypatch.context() as patch:
        halves = FaultyOs("pwrite", writing_half)
        halves.ftruncate = failing(errno.EIO)  # type: ignore[attr-defined]
        patch.setattr(segments, "os", halves)
        assert not journal.append(lost)
    assert kept(folder).nr_damaged == 1
    clock.now_s += 10.0
    assert journal.append(last)
    journal.close()
    assert (kept(folder).records, kept(folder).nr_damaged) == ([first, last], 0)


def test_a_full_disk_is_asked_less_and_less(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    asked = FaultyOs("pwrite", failing(errno.ENOSPC))
    times: list[float] = []

    def full(*arguments: object) -> object:
        times.append(clock.now_s)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    asked.fault = full
    monkeypatch.setattr(segments, "os", asked)
    journal = ExperienceJournal(folder, MAX_BYTES, clock=clock)
    for _ in range(4000):
        assert not journal.append(RECORD)
        clock.now_s += 5.0
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, *[3600.0] * (len(waits) - 9)]
    assert journal.lost == 4000
    asked.is_on = False
    clock.now_s += 3600.0
    assert journal.append(RECORD)
    assert journal.trouble == ""
    journal.close()


def test_a_real_disk_that_is_full_and_then_is_not(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        clock = Clock()
        journal = ExperienceJournal(disk / "experience", MAX_BYTES, clock=clock)
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(40 << 10))
        records = series(200)
        written = [record for record in records if journal.append(record)]
        assert 10 < len(written) < 150
        assert "No space left" in journal.trouble
        assert (kept(disk / "experience").records, kept(disk / "experience").nr_damaged) == (
            written,
            0,
        )
        ballast.unlink()
        clock.now_s += 10.0
        assert journal.append(RECORD)
        journal.close()
        assert kept(disk / "experience").records == [*written, RECORD]
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("call", ["pwrite", "open", "fstat", "close", "listdir", "unlink"])
def test_a_signal_cuts_no_line(folder: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    struck: list[int] = []

    def strike(*arguments: object, **options: object) -> object:
        result = getattr(os, call)(*arguments, **options)
        if not struck:
            struck.append(signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    for nth in range(1, 200):
        struck.clear()
        journal = ExperienceJournal(folder, 10 * LINE_BYTES)
        with monkeypatch.context() as patch:
            patch.setattr(segments, "os", FaultyOs(call, strike, nth))
            try:
                with stop_on_signals():
                    for record in series(12):
                        assert journal.append(record)
            except Stopped:
                pass
        assert journal.append(RECORD)
        journal.close()
        assert kept(folder).nr_damaged == 0
        assert size_of(folder) <= 10 * LINE_BYTES
        if not struck:
            assert nth > 1
            return
    pytest.fail("never came through")


def test_a_kill_leaves_every_record_that_was_appended(folder: Path) -> None:
    code = (
        "import itertools, sys; from pathlib import Path\n"
        "from tests.daemon.experiences import RECORD\n"
        "from damon_tuner.daemon.experience import ExperienceJournal\n"
        "journal = ExperienceJournal(Path(sys.argv[1]), 64 << 20)\n"
        "for k in itertools.count():\n"
        "    journal.append(RECORD)\n"
        "    print(k, flush=True)\n"
    )
    killed = subprocess.Popen(
        [sys.executable, "-c", code, folder],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert killed.stdout is not None
    last = 0
    for line in killed.stdout:
        last = int(line)
        if last == 50:
            killed.kill()
    killed.wait()
    killed.stdout.close()
    found = kept(folder)
    assert len(found.records) >= last + 1
    assert found.nr_damaged <= 1


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the files that were brought to the disk."""
    names: list[str] = []

    def sync(fd: int) -> None:
        names.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)

    monkeypatch.setattr(background_sync, "os", FaultyOs("fdatasync", sync))
    yield names


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_what_is_appended_is_on_disk_within_a_minute(folder: Path, synced: list[str]) -> None:
    clock = Clock()
    journal = ExperienceJournal(folder, MAX_BYTES, clock=clock)
    for k in range(60):
        assert journal.append(RECORD)
        wait_until(lambda k=k: synced.count("experience-00000001.jsonl") >= 5 * k // 60)
        clock.now_s += 5.0
    journal.close()
    # The folder once, the segment five times and at the end.
    assert synced == ["experience", *["experience-00000001.jsonl"] * 6]


def test_each_segment_is_brought_to_the_disk_when_it_is_full(
    folder: Path, synced: list[str]
) -> None:
    journal = ExperienceJournal(folder, 100 * LINE_BYTES, clock=Clock())
    for k in range(120):
        assert journal.append(RECORD)
        wait_until(lambda k=k: len(synced) > 2 * (k // 12))
    journal.close()
    assert {f"experience-{n:08d}.jsonl" for n in range(1, 11)} <= set(synced)


def test_a_disk_that_hangs_holds_nobody_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    recovers = threading.Event()
    monkeypatch.setattr(
        background_sync, "os", FaultyOs("fdatasync", lambda fd: recovers.wait(60.0))
    )
    monkeypatch.setattr(journal_module, "_CLOSE_S", 0.01)
    journal = ExperienceJournal(folder, 100 * LINE_BYTES, clock=clock)
    descriptors = len(os.listdir("/proc/self/fd"))
    for record in series(500):
        clock.now_s += 5.0
        assert journal.append(record)
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 8
    journal.close()
    recovers.set()
    journal._sync.wait(60.0)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_disk_that_loses_what_it_was_given_is_told_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    faulty = FaultyOs("fdatasync", failing(errno.EIO))
    monkeypatch.setattr(background_sync, "os", faulty)
    journal = ExperienceJournal(folder, MAX_BYTES, clock=clock)
    assert journal.append(RECORD)
    journal._sync.wait(20.0)
    assert not journal.append(RECORD)
    assert "Input/output error" in journal.trouble
    faulty.is_on = False
    clock.now_s += 10.0
    assert journal.append(RECORD)
    journal.close()
    assert len(kept(folder).records) == 2


def test_without_a_thread_to_be_had_the_disk_is_waited_for(
    folder: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    journal = ExperienceJournal(folder, MAX_BYTES)
    assert journal.append(RECORD)
    journal.close()
    assert synced == ["experience", "experience-00000001.jsonl"]


def removed(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def removed_with_the_folder(folder: Path) -> None:
    removed(folder)
    folder.rmdir()


def cut(folder: Path) -> None:
    os.truncate(the_segment(folder), LINE_BYTES + 10)


def continued(folder: Path) -> None:
    with the_segment(folder).open("ab") as file:
        file.write(b"somebody else's\nand more")


@pytest.mark.parametrize(
    ("meddle", "left", "damaged"),
    [(removed, 0, 0), (removed_with_the_folder, 0, 0), (cut, 1, 0), (continued, 3, 1)],
)
def test_who_meddles_costs_no_more_than_what_he_took(
    folder: Path, meddle: Callable[[Path], None], left: int, damaged: int
) -> None:
    journal = ExperienceJournal(folder, MAX_BYTES)
    records = series(6)
    assert all([journal.append(record) for record in records[:3]])
    meddle(folder)
    assert all([journal.append(record) for record in records[3:]])
    journal.close()
    found = kept(folder)
    assert (found.records, found.nr_damaged) == ([*records[:left], *records[3:]], damaged)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_in_is_not_used(folder: Path, mode: int) -> None:
    folder.mkdir(parents=True)
    folder.chmod(mode)
    journal = ExperienceJournal(folder, MAX_BYTES)
    assert not journal.append(RECORD)
    assert "somebody else" in journal.trouble
    assert os.listdir(folder) == []


def test_a_segment_that_others_can_write_is_not_continued(folder: Path) -> None:
    journal = ExperienceJournal(folder, MAX_BYTES)
    assert journal.append(RECORD)
    journal.close()
    the_segment(folder).chmod(0o666)
    assert not journal.append(RECORD)
    assert "experience-00000001.jsonl" in journal.trouble


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_somebody_else_is_not_used(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.chown(folder, 1, 1)
    journal = ExperienceJournal(folder, MAX_BYTES)
    assert not journal.append(RECORD)
    assert "somebody else" in journal.trouble


def test_neither_a_link_nor_a_pipe_is_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    target = tmp_path / "target"
    target.write_text("somebody else's\n")
    segment = folder / "experience-00000001.jsonl"
    segment.symlink_to(target)
    assert not ExperienceJournal(folder, MAX_BYTES).append(RECORD)
    segment.unlink()
    os.mkfifo(segment, 0o600)
    assert not ExperienceJournal(folder, MAX_BYTES).append(RECORD)
    assert target.read_text() == "somebody else's\n"


def test_a_file_in_place_of_the_folder_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "experience").write_text("")
    journal = ExperienceJournal(tmp_path / "experience", MAX_BYTES)
    assert not journal.append(RECORD)
    assert "File exists" in journal.trouble


def test_damage_anywhere_costs_that_line_alone(folder: Path) -> None:
    journal = ExperienceJournal(folder, MAX_BYTES)
    records = series(20)
    assert all([journal.append(record) for record in records])
    journal.close()
    segment = the_segment(folder)
    content = bytearray(segment.read_bytes())
    for k in (3, 7, 11):
        content[k * LINE_BYTES + 400 : k * LINE_BYTES + 410] = bytes(10)
    segment.write_bytes(content)
    found = kept(folder)
    assert found.nr_damaged == 3
    assert found.records == [r for k, r in enumerate(records) if k not in (3, 7, 11)]
