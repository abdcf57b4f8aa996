"""Memory blocks: which go, when they do not, what failures cost, and how they come back."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace

import pytest

from damon_tuner.errors import DamonMissingError, NoPermissionError, NotRestoredError
from damon_tuner.kernel_iface.sysfs.actors import BlocksRequest, MemoryBlocks, Pace
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.tree import Tree

from ..fake_kernel import Fault, failure
from .fake_memory import BLOCK_BYTES, BLOCKS, MIB, MemoryKernel, state

ALL = BlocksRequest(offline_bytes=4 * BLOCK_BYTES, floor_free_bytes=0)
Run = Callable[..., None]


@pytest.fixture
def blocks(tree: Tree, ledger: Ledger) -> MemoryBlocks:
    return MemoryBlocks(tree, ledger, ALL)


def offline(kernel: MemoryKernel) -> list[int]:
    return [number for number, text in kernel.states().items() if text == "offline"]


def test_only_movable_blocks_go(kernel: MemoryKernel, blocks: MemoryBlocks, run: Run) -> None:
    blocks.check()
    blocks.apply(replace(ALL, offline_bytes=8 * BLOCK_BYTES))
    run(blocks)
    assert offline(kernel) == [4, 5, 6, 7]
    assert blocks.offline_bytes == 4 * BLOCK_BYTES


def test_the_emptiest_goes_first(kernel: MemoryKernel, blocks: MemoryBlocks, run: Run) -> None:
    kernel.used |= {4: 0.5, 5: 0.1, 6: 0.9, 7: 0.3}
    run(blocks)
    assert kernel.started == [state(number) for number in (5, 7, 4, 6)]


def test_the_highest_goes_first_where_page_flags_are_hidden(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run
) -> None:
    kernel.shows_page_flags = False
    run(blocks)
    assert kernel.started == [state(number) for number in (7, 6, 5, 4)]


def test_they_come_back_in_reverse_into_the_same_zone(
    kernel: MemoryKernel, blocks: MemoryBlocks, ledger: Ledger, run: Run
) -> None:
    run(blocks)
    assert len(offline(kernel)) == 4
    blocks.apply(replace(ALL, offline_bytes=BLOCK_BYTES))
    run(blocks, 5)
    assert offline(kernel) == [7]
    blocks.release()
    back = [path for path, text in kernel.writes if text == "online_movable"]
    assert back == kernel.started[::-1]
    assert {kernel.zone(number) for number in (4, 5, 6, 7)} == {"Movable"}
    assert ledger.changes == ()


def test_the_ledger_alone_restores_the_zone(
    kernel: MemoryKernel, blocks: MemoryBlocks, ledger: Ledger, run: Run
) -> None:
    before = kernel.sysfs
    run(blocks)
    ledger.restore()
    assert kernel.sysfs == before


def test_one_a_pace(kernel: MemoryKernel, blocks: MemoryBlocks, run: Run) -> None:
    run(blocks, 10, 1)
    assert kernel.started == [state(7)]
    assert blocks.stats.qt_exceeds == 1
    run(blocks, 10, 1)
    assert kernel.started == [state(7), state(6)]
    assert blocks.stats.nr_applied == 2 and blocks.stats.sz_applied_bytes == 2 * BLOCK_BYTES


def test_one_at_a_time(kernel: MemoryKernel, blocks: MemoryBlocks, run: Run) -> None:
    kernel.slow_results[state(7)] = None
    blocks.apply(replace(ALL, pace=Pace(100, 1), timeout_s=1e9))
    run(blocks)
    assert kernel.started == [state(7)] and len(kernel.underway) == 1


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EAGAIN, errno.ENOMEM, errno.EIO])
def test_a_block_that_fails_is_left_alone_for_longer_and_longer(
    kernel: MemoryKernel, blocks: MemoryBlocks, ledger: Ledger, run: Run, number: int
) -> None:
    kernel.slow_results = dict.fromkeys(map(state, (4, 5, 6)), number)
    run(blocks, 400)
    assert offline(kernel) == [7]
    # After 10, 20, 40, 80 and 160 s of rest: five or six attempts each, not forty.
    assert 4 <= kernel.started.count(state(6)) <= 6
    assert set(blocks.nr_failures) == {4, 5, 6}
    assert errno.errorcode[number] in blocks.stats.last_failure
    assert blocks.stats.nr_tried == blocks.stats.nr_failed + 1
    assert [change.path for change in ledger.changes] == [state(7)]


def test_a_block_with_holes_is_never_tried_again(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run
) -> None:
    kernel.slow_results[state(7)] = errno.EINVAL
    run(blocks, 10_000, 10)
    assert kernel.started.count(state(7)) == 1


def test_a_block_that_does_not_empty_is_given_up(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run
) -> None:
    kernel.slow_results[state(7)] = None
    run(blocks, 40, 1)
    assert "time limit" in blocks.stats.last_failure
    assert kernel.started[:2] == [state(7), state(6)]


def test_a_failure_is_forgotten_when_the_block_goes(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run
) -> None:
    kernel.slow_results[state(7)] = errno.EBUSY
    run(blocks, 20)
    kernel.slow_results.clear()
    run(blocks, 100)
    assert blocks.nr_failures == {} and offline(kernel) == [4, 5, 6, 7]


def test_what_went_is_ours_whatever_the_child_said(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run
) -> None:
    kernel.slow_results[state(7)] = errno.ECHILD
    run(blocks, 10)
    kernel.write(state(7), "offline")  # it had gone, and the result was lost
    run(blocks, 5)
    assert blocks.offline_bytes == BLOCK_BYTES and blocks.stats.nr_failed == 0


def test_the_ceiling_holds(kernel: MemoryKernel, blocks: MemoryBlocks, run: Run) -> None:
    blocks.apply(replace(ALL, ceiling_bytes=2 * BLOCK_BYTES + 1))
    run(blocks)
    assert len(offline(kernel)) == 2


def test_free_memory_stays_above_the_floor(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run
) -> None:
    kernel.free_bytes = 4 * BLOCK_BYTES
    blocks.apply(replace(ALL, floor_free_bytes=BLOCK_BYTES))
    run(blocks)
    assert len(offline(kernel)) == 2
    assert blocks.stats.nr_held_back > 0


def test_blocks_come_back_at_once_when_memory_runs_low(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run
) -> None:
    blocks.apply(replace(ALL, floor_free_bytes=BLOCK_BYTES))
    run(blocks)
    kernel.free_bytes = 10 * MIB
    run(blocks, 5)
    assert len(offline(kernel)) == 3 and kernel.free_bytes >= BLOCK_BYTES


def test_blocks_come_back_ahead_of_who_fills_memory(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run
) -> None:
    blocks.apply(replace(ALL, floor_free_bytes=BLOCK_BYTES, ahead_s=5.0))
    kernel.free_bytes = 6 * BLOCK_BYTES
    run(blocks)
    assert kernel.free_bytes == 2 * BLOCK_BYTES
    for _ in range(3):  # in 5 s less than a block would be left
        kernel.free_bytes -= BLOCK_BYTES // 4
        blocks.advance(kernel.clock_us)
        kernel.clock_us += 1_000_000
    assert blocks.filling_bytes_per_s == BLOCK_BYTES // 4
    assert kernel.free_bytes == 2.25 * BLOCK_BYTES
    kernel.clock_us += 60_000_000
    blocks.advance(kernel.clock_us)
    assert blocks.filling_bytes_per_s < 1.0


def test_what_could_still_go_is_told(kernel: MemoryKernel, blocks: MemoryBlocks, run: Run) -> None:
    blocks.apply(ALL)
    assert blocks.offlinable_bytes(kernel.clock_us) == 4 * BLOCK_BYTES
    kernel.slow_results[state(7)] = errno.EINVAL
    blocks.apply(replace(ALL, offline_bytes=BLOCK_BYTES))
    run(blocks)
    assert blocks.offline_bytes == BLOCK_BYTES
    assert blocks.offlinable_bytes(kernel.clock_us) == 2 * BLOCK_BYTES


@pytest.mark.parametrize("low", ["pressure", "free", "request"])
def test_a_block_that_is_leaving_is_called_back(
    kernel: MemoryKernel, blocks: MemoryBlocks, ledger: Ledger, run: Run, low: str
) -> None:
    kernel.slow_results[state(7)] = None
    run(blocks, 10)
    assert kernel.underway
    if low == "pressure":
        kernel.waited(1_000_000)
    elif low == "free":
        kernel.free_bytes = 0
        blocks.apply(replace(ALL, floor_free_bytes=1))
    else:
        blocks.apply(replace(ALL, offline_bytes=0))
    run(blocks, 5)
    assert not kernel.underway and not offline(kernel)
    assert ledger.changes == () and blocks.stats.nr_failed == 0


def test_nothing_goes_under_pressure_nor_soon_after(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run
) -> None:
    for step in range(1, 11):
        kernel.waited(step * 200_000)  # 4 % of 5 s
        run(blocks, 5)
    assert kernel.started == []
    run(blocks, 5)
    assert kernel.started == []
    run(blocks, 10)
    assert len(kernel.started) == 1


def test_nothing_goes_before_pressure_is_known(kernel: MemoryKernel, blocks: MemoryBlocks) -> None:
    blocks.advance(kernel.clock_us)
    assert kernel.started == []


def test_blocks_of_others_are_not_ours(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run
) -> None:
    kernel.write(state(6), "offline")
    run(blocks)
    blocks.release()
    assert offline(kernel) == [6]


def test_a_block_that_somebody_else_brought_back_is_forgotten(
    kernel: MemoryKernel, blocks: MemoryBlocks, ledger: Ledger, run: Run
) -> None:
    run(blocks)
    kernel.write(state(5), "online")
    blocks.apply(replace(ALL, offline_bytes=3 * BLOCK_BYTES))
    run(blocks, 5)
    assert blocks.offline_bytes == 3 * BLOCK_BYTES
    assert state(5) not in [change.path for change in ledger.changes]
    assert kernel.zone(5) == "Normal"  # theirs now


def test_a_block_that_is_unplugged_is_forgotten(
    kernel: MemoryKernel, blocks: MemoryBlocks, ledger: Ledger, run: Run
) -> None:
    run(blocks)
    for path in [path for path in kernel.files if path.startswith(f"{BLOCKS}/memory5/")]:
        del kernel.files[path]
    run(blocks, 5)
    assert blocks.offline_bytes == 3 * BLOCK_BYTES
    blocks.release()
    assert ledger.changes == ()


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT, errno.EROFS, errno.EMFILE])
def test_a_file_that_cannot_be_opened_is_a_failure(
    kernel: MemoryKernel, blocks: MemoryBlocks, ledger: Ledger, run: Run, number: int
) -> None:
    kernel.unwritable = dict.fromkeys(map(state, (4, 5, 6, 7)), number)
    run(blocks, 30)
    assert blocks.stats.nr_failed > 0 and ledger.changes == ()


@pytest.mark.parametrize("suffix", ["meminfo", "block_size_bytes", "valid_zones", "memory"])
def test_files_that_cannot_be_read_stop_nothing_else(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run, suffix: str
) -> None:
    kernel.read_faults.append(Fault(suffix, failure(errno.EIO), times=10**6))
    run(blocks)
    assert kernel.started == []
    kernel.read_faults.clear()
    run(blocks)
    assert len(offline(kernel)) == 4


def test_a_block_that_does_not_come_back_is_reported_and_tried_again(
    kernel: MemoryKernel, blocks: MemoryBlocks, ledger: Ledger, run: Run
) -> None:
    run(blocks)
    kernel.write_faults.append(Fault("memory5/state", failure(errno.ENOMEM), times=1))
    with pytest.raises(NotRestoredError, match=f"echo online_movable > /{state(5)}"):
        blocks.release()
    assert offline(kernel) == [5]
    blocks.release()
    assert offline(kernel) == [] and ledger.changes == ()


def test_a_block_on_its_way_out_is_called_back_at_release(
    kernel: MemoryKernel, blocks: MemoryBlocks, ledger: Ledger, run: Run
) -> None:
    kernel.slow_results[state(6)] = None
    run(blocks, 20)
    assert offline(kernel) == [7] and kernel.underway
    blocks.release()
    assert not kernel.underway and not offline(kernel) and ledger.changes == ()


def test_a_write_that_cannot_be_stopped_is_named(
    kernel: MemoryKernel, blocks: MemoryBlocks, run: Run
) -> None:
    kernel.slow_results[state(7)] = None
    kernel.stubborn = True
    run(blocks, 10)
    with pytest.raises(NotRestoredError, match=f"/{state(7)} is busy"):
        blocks.release()


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ("no hotplug", DamonMissingError, "CONFIG_MEMORY_HOTPLUG"),
        ("none movable", DamonMissingError, "movablecore="),
        ("not root", NoPermissionError, "run as root"),
        ("no pressure", DamonMissingError, "psi=1"),
    ],
)
def test_a_host_that_cannot_is_refused(
    kernel: MemoryKernel, blocks: MemoryBlocks, change: str, error: type[Exception], says: str
) -> None:
    if change == "no hotplug":
        kernel.files = {p: t for p, t in kernel.files.items() if not p.startswith(BLOCKS)}
    elif change == "none movable":
        kernel.files |= {f"{BLOCKS}/memory{n}/valid_zones": "Normal" for n in (4, 5, 6, 7)}
    elif change == "not root":
        kernel.unwritable[state(4)] = errno.EACCES
    else:
        del kernel.files["proc/pressure/memory"]
    with pytest.raises(error, match=says):
        blocks.check()
    assert kernel.writes == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"offline_bytes": -1},
        {"floor_free_bytes": -1},
        {"ceiling_bytes": -1},
        {"timeout_s": 0},
        {"ahead_s": -1},
    ],
)
def test_senseless_requests_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        replace(ALL, **wrong)


@pytest.mark.parametrize("ends", ["advance", "release"])
def test_a_block_that_cannot_be_looked_at_when_it_went_still_counts(
    kernel: MemoryKernel, blocks: MemoryBlocks, ledger: Ledger, run: Run, ends: str
) -> None:
    blocks.apply(replace(ALL, offline_bytes=BLOCK_BYTES))
    kernel.slow_results |= dict.fromkeys(map(state, range(4, 8)))
    run(blocks)
    (leaving,) = kernel.underway
    leaving.end(0)
    kernel.read_faults.append(Fault(leaving.path, failure(errno.EIO)))
    if ends == "advance":
        run(blocks)
        assert blocks.offline_bytes == BLOCK_BYTES
        assert len(offline(kernel)) == 1
    else:
        with pytest.raises(NotRestoredError, match="EIO"):
            blocks.release()
    blocks.release()
    assert offline(kernel) == []
    assert ledger.changes == ()
