"""After a kill: what the journal says is put back, and nothing else is touched."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner.errors import DamonBusyError, LeftoverError, NotRestoredError
from damon_tuner.kernel_iface.host import AccessPattern, Action, Context, Operations, Scheme
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs import journal as journal_module
from damon_tuner.kernel_iface.sysfs.journal import JOURNAL, Journal, read_journal
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.put_back import Fate
from damon_tuner.kernel_iface.sysfs.records import Back, Change, Owner, Written, boot_id
from damon_tuner.kernel_iface.sysfs.restore import LEFT_ALONE, NOT_RESTORED, restore
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .fake_kernel import KDAMOND, NR_KDAMONDS, PID, STATE, FakeKernel, Fault, failure

STAT_ENABLED = "sys/module/damon_stat/parameters/enabled"
BOOT_ID = "proc/sys/kernel/random/boot_id"
PAGEOUT = Scheme(Action.PAGEOUT, AccessPattern(max_nr_accesses=0, min_age=30))
MakeHost = Callable[..., SysfsHost]


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the process runs any more."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def make(kernel: FakeKernel, folder: Path) -> MakeHost:
    def make_host(context: Context | None = None) -> SysfsHost:
        return SysfsHost(context or Context(pid=PID), kernel=kernel, state_dir=folder)

    kernel.files[STAT_ENABLED] = "Y"
    return make_host


def kill(kernel: FakeKernel) -> None:
    """What the kernel does for a process that was killed: it lets go of its locks."""
    kernel.locked.clear()


def killed_while_running(kernel: FakeKernel, make: MakeHost) -> dict[str, str]:
    found = kernel.sysfs
    make().start([PAGEOUT])
    kill(kernel)
    assert kernel.sysfs != found
    return found


def test_restore_puts_back_what_a_killed_run_left(
    kernel: FakeKernel, make: MakeHost, folder: Path
) -> None:
    found = killed_while_running(kernel, make)
    planned = restore(kernel, folder, dry_run=True)
    assert kernel.running
    done = restore(kernel, folder)
    assert kernel.sysfs == found
    assert done.status == planned.status == 0
    assert [o.fate for o in done.outcomes] == [Fate.RESTORED] * 3
    assert done.outcomes == planned.outcomes
    assert list(done.lines()) == [
        f"/{STATE}: restored, on -> off",
        f"/{NR_KDAMONDS}: restored, 1 -> 0",
        f"/{STAT_ENABLED}: restored, N -> Y",
        "files: 3 restored",
    ]
    assert json.loads(next(done.json_lines()))["fate"] == "restored"
    again = restore(kernel, folder)
    assert (again.status, again.outcomes) == (0, ())
    assert "nothing to put back" in again.summary


def test_a_trace_that_was_left_is_removed(
    kernel: FakeKernel, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a plain folder writing makes files; in the kernel's they go with the instance.
    monkeypatch.setattr(Path, "write_text", lambda path, text: None)
    trace = tmp_path / "sys/kernel/tracing/instances/damon-tuner"
    trace.mkdir(parents=True)
    assert restore(kernel, folder, traces=tmp_path, dry_run=True).status == 0
    assert trace.exists()
    done = restore(kernel, folder, traces=tmp_path)
    line = "/sys/kernel/tracing/instances/damon-tuner: restored, a trace -> absent"
    assert list(done.lines()) == [line, "files: 1 restored"]
    assert not trace.exists()
    trace.mkdir()
    (trace / "in_use").touch()
    assert restore(kernel, folder, traces=tmp_path).status == NOT_RESTORED


def test_nothing_to_restore(kernel: FakeKernel, folder: Path) -> None:
    done = restore(kernel, folder)
    assert (done.status, kernel.writes, kernel.locked) == (0, [], set())


def kill_at(kernel: FakeKernel, nth: int, *, done: bool) -> None:
    """Kill whoever makes the nth write, before or after it works."""
    store = type(kernel)._store
    left = nth

    def stored(path: str, text: str) -> None:
        nonlocal left
        left -= 1
        if left == 0 and not done:
            raise Killed
        if left < 0:
            raise Killed  # the dead write nothing, whatever unwinds
        store(kernel, path, text)
        if left == 0:
            left = -1
            raise Killed

    kernel._store = stored


def revive(kernel: FakeKernel) -> None:
    kernel.__dict__.pop("_store", None)
    kill(kernel)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "context", [Context(pid=PID), Context(Operations.PADDR)], ids=["vaddr", "paddr"]
)
def test_a_kill_at_any_write_of_a_run_is_restored(
    kernel: FakeKernel, make: MakeHost, folder: Path, context: Context, done: bool
) -> None:
    found = kernel.sysfs
    for nth in range(1, 200):
        kill_at(kernel, nth, done=done)
        try:
            host = make(context)
            host.start([PAGEOUT])
            host.apply([Scheme(Action.COLD)])
            host.snapshot()
            host.stop()
        except (Killed, NotRestoredError):
            revive(kernel)
        else:
            revive(kernel)
            break
        assert restore(kernel, folder).status == 0, f"write {nth}"
        assert kernel.sysfs == found, f"write {nth}"
        assert not (folder / JOURNAL).exists()
    assert 20 < nth < 199
    assert kernel.sysfs == found


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_restore_that_is_killed_is_done_again(
    kernel: FakeKernel, make: MakeHost, folder: Path, done: bool
) -> None:
    found = kernel.sysfs
    for nth in range(1, 10):
        killed_while_running(kernel, make)
        kill_at(kernel, nth, done=done)
        try:
            restore(kernel, folder)
        except Killed:
            revive(kernel)
            assert restore(kernel, folder).status == 0
        else:
            break
        assert kernel.sysfs == found, f"write {nth}"
    assert nth == 4


def test_a_new_run_is_refused_with_the_command(
    kernel: FakeKernel, make: MakeHost, folder: Path
) -> None:
    killed_while_running(kernel, make)
    before = dict(kernel.files)
    for refused in (make().check, lambda: make().start([])):
        with pytest.raises(LeftoverError, match=f"damon-tuner restore --state-dir {folder}"):
            refused()
    assert kernel.files == before
    restore(kernel, folder)
    make().start([])


def test_a_run_that_is_alive_is_named_and_left_alone(
    kernel: FakeKernel, make: MakeHost, folder: Path
) -> None:
    kernel.files["proc/self/stat"] = "7 (python) S " + " ".join(["0"] * 18) + " 70 0"
    make().start([])
    with pytest.raises(DamonBusyError, match="process 7"):
        restore(kernel, folder)
    kernel.locked.clear()  # somebody has removed the lock's file
    kernel.spawn(7, start=70)
    with pytest.raises(DamonBusyError, match="process 7"):
        restore(kernel, folder)
    with pytest.raises(DamonBusyError, match="process 7"):
        make().check()
    kernel.spawn(7, start=71)  # another process of that number
    assert restore(kernel, folder).status == 0


def test_after_another_boot_there_is_nothing_to_put_back(
    kernel: FakeKernel, make: MakeHost, folder: Path
) -> None:
    killed_while_running(kernel, make)
    kernel.files[BOOT_ID] = "another"
    writes = len(kernel.writes)
    with pytest.raises(DamonBusyError, match="kdamond 0"):
        make().check()  # not a word of the journal
    assert "booted" in restore(kernel, folder, dry_run=True).summary
    assert read_journal(folder) is not None
    done = restore(kernel, folder)
    assert (done.status, len(kernel.writes)) == (0, writes)
    assert read_journal(folder) is None


def test_a_run_after_another_boot_needs_no_restore(
    kernel: FakeKernel, make: MakeHost, folder: Path
) -> None:
    found = killed_while_running(kernel, make)
    booted = FakeKernel()
    booted.files = {**found, **{p: t for p, t in kernel.files.items() if p.startswith("proc/")}}
    booted.files[BOOT_ID] = "another"
    with SysfsHost(Context(pid=PID), kernel=booted, state_dir=folder) as host:
        host.start([])
        written = read_journal(folder)
        assert written is not None and written.owner is not None
        assert written.owner.boot_id == "another"
    assert booted.sysfs == found


def restart(kernel: FakeKernel) -> None:
    """Somebody else has taken the kdamond that was left, and runs it."""
    kernel.files[f"{KDAMOND}/pid"] = "555"


def recreate(kernel: FakeKernel) -> None:
    kernel.end_kdamond()
    kernel.write(NR_KDAMONDS, "0")
    kernel.write(NR_KDAMONDS, "1")
    kernel.write(f"{KDAMOND}/contexts/nr_contexts", "1")


@pytest.mark.parametrize("take", [restart, recreate])
def test_kdamonds_of_somebody_else_are_left_alone(
    kernel: FakeKernel, make: MakeHost, folder: Path, take: Callable[[FakeKernel], None]
) -> None:
    killed_while_running(kernel, make)
    take(kernel)
    state, count = kernel.files[STATE], kernel.files[NR_KDAMONDS]
    done = restore(kernel, folder)
    assert (kernel.files[STATE], kernel.files[NR_KDAMONDS]) == (state, count)
    assert done.status in (LEFT_ALONE, NOT_RESTORED)
    assert f"/{NR_KDAMONDS}: left alone at 1 (was 0)" in "\n".join(done.lines())


def test_stop_leaves_the_kdamonds_of_somebody_else_alone(
    kernel: FakeKernel, make: MakeHost, folder: Path
) -> None:
    host = make()
    kernel.files[STAT_ENABLED] = "N"
    host.start([])
    restart(kernel)
    with pytest.raises(NotRestoredError, match="left alone"):
        host.stop()
    assert kernel.files[STATE] == "on"


def test_a_kdamond_that_ended_with_its_process_is_still_ours(
    kernel: FakeKernel, make: MakeHost, folder: Path
) -> None:
    found = killed_while_running(kernel, make)
    kernel.kill(PID)
    assert restore(kernel, folder).status == 0
    assert kernel.sysfs == found


def test_what_somebody_else_changed_is_left_alone_and_named(
    kernel: FakeKernel, make: MakeHost, folder: Path
) -> None:
    killed_while_running(kernel, make)
    kernel.files[STAT_ENABLED] = "0"
    done = restore(kernel, folder)
    assert done.status == LEFT_ALONE
    assert kernel.files[STAT_ENABLED] == "0"
    assert kernel.files[NR_KDAMONDS] == "0"
    assert f"/{STAT_ENABLED}: left alone at 0 (was Y): somebody else wrote there" in done.lines()
    assert restore(kernel, folder).status == 0


@pytest.mark.parametrize("number", [errno.EIO, errno.EINVAL, errno.EPERM, errno.ENOMEM])
def test_what_cannot_be_put_back_is_tried_again(
    kernel: FakeKernel, make: MakeHost, folder: Path, number: int
) -> None:
    found = killed_while_running(kernel, make)
    kernel.write_faults = [Fault(STAT_ENABLED, failure(number))]
    done = restore(kernel, folder)
    assert done.status == NOT_RESTORED
    assert kernel.files[NR_KDAMONDS] == "0"
    with pytest.raises(LeftoverError):
        make().check()
    assert restore(kernel, folder).status == 0
    assert kernel.sysfs == found


def test_kdamonds_that_cannot_be_looked_at_are_not_given_up(
    kernel: FakeKernel, make: MakeHost, folder: Path
) -> None:
    found = killed_while_running(kernel, make)
    kernel.read_faults = [Fault(f"{KDAMOND}/pid", failure(errno.EIO))]
    assert restore(kernel, folder).status == NOT_RESTORED
    assert restore(kernel, folder).status == 0
    assert kernel.sysfs == found


def test_a_full_disk_does_not_keep_it_from_putting_back(
    kernel: FakeKernel, make: MakeHost, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = killed_while_running(kernel, make)

    def full(*arguments: object) -> int:
        raise failure(errno.ENOSPC)

    monkeypatch.setattr(journal_module.os, "pwrite", full)
    assert restore(kernel, folder).status == 0
    assert kernel.sysfs == found
    assert not (folder / JOURNAL).exists()


def test_damage_is_named_and_the_rest_put_back(
    kernel: FakeKernel, make: MakeHost, folder: Path
) -> None:
    killed_while_running(kernel, make)
    lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    assert b"damon_stat" in lines[0]
    (folder / JOURNAL).write_bytes(b"".join([lines[0].replace(b"Y", b"X", 1), *lines[1:]]))
    done = restore(kernel, folder)
    assert done.status == NOT_RESTORED
    assert "lines 1 of" in done.summary and "not known" in done.summary
    assert kernel.files[NR_KDAMONDS] == "0"
    assert (folder / f"{JOURNAL}.damaged").exists()
    assert restore(kernel, folder).status == 0


FILES = ("sys/a", "sys/b", "sys/c")


@settings(max_examples=50)
@given(
    writes=st.lists(st.tuples(st.sampled_from(FILES), st.sampled_from("0123")), max_size=6),
    data=st.data(),
)
def test_any_prefix_of_a_journal_restores_exactly(
    writes: list[tuple[str, str]], data: st.DataObject
) -> None:
    """The kernel has made every change whose line is whole, or all but the last of them."""
    with tempfile.TemporaryDirectory() as folder:
        restore_from_prefix(Path(folder), writes, data)


def restore_from_prefix(folder: Path, writes: list[tuple[str, str]], data: st.DataObject) -> None:
    kernel = FakeKernel()
    kernel.files.update(dict.fromkeys(FILES, "0"))
    history = [kernel.sysfs]
    content = [b""]

    def look(path: str, text: str) -> None:
        content.append((folder / JOURNAL).read_bytes())
        history.append({**kernel.sysfs, path: text})

    kernel.before_write = look
    ledger = Ledger(Tree(kernel), folder)
    for path, text in writes:
        ledger.write(path, text)
    kernel.before_write = lambda path, text: None
    made = data.draw(st.integers(0, len(history) - 1))
    kernel.files.update(history[made])
    upcoming = content[made + 1] if made + 1 < len(content) else content[made]
    assert upcoming.startswith(content[made])
    cut = data.draw(st.integers(len(content[made]), len(upcoming)))
    if content[made]:
        (folder / JOURNAL).write_bytes(upcoming[:cut])
    elif (folder / JOURNAL).exists():
        (folder / JOURNAL).unlink()
    done = restore(kernel, folder)
    assert done.status == 0
    assert kernel.sysfs == history[0]


def test_records_of_a_journal_by_hand(kernel: FakeKernel, folder: Path) -> None:
    kernel.files["sys/x"] = "2"
    journal = Journal(folder, Owner(boot_id(Tree(kernel)), 1, 1))
    written = Written()
    for record in (Change("sys/x", "0", "2"), Change("sys/y", "0", "1"), Back("sys/y")):
        journal.note(record, written)
        written.add(record)
    assert [o.path for o in restore(kernel, folder).outcomes] == ["sys/x"]
    assert kernel.files["sys/x"] == "0"


@pytest.mark.parametrize("hidden", [None, ""], ids=["absent", "empty"])
def test_a_host_that_does_not_tell_its_boot_is_put_back(
    kernel: FakeKernel, folder: Path, make: MakeHost, hidden: str | None
) -> None:
    """A container without this file must not throw away the way back."""
    found = killed_while_running(kernel, make)
    del kernel.files[BOOT_ID]
    if hidden is not None:
        kernel.files[BOOT_ID] = hidden
    with pytest.raises(LeftoverError):
        make().start([PAGEOUT])
    assert restore(kernel, folder).status == 0
    assert kernel.sysfs == found
