"""Reclaim from a control group: how much, when not, from whom never, and what refusals cost."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace

import pytest

from damon_tuner.errors import DamonMissingError, NoPermissionError, NotRestoredError
from damon_tuner.kernel_iface.sysfs.actors import CgroupReclaim, Pace, ReclaimRequest
from damon_tuner.kernel_iface.sysfs.tree import Tree

from ..fake_kernel import Fault, failure
from .fake_memory import GROUP, MIB, MemoryKernel

Run = Callable[..., None]
FILE = f"{GROUP}/memory.reclaim"
CURRENT = f"{GROUP}/memory.current"
TEN = ReclaimRequest("app.slice/db.service", Pace(10 * MIB, 10_000), floor_bytes=0)


@pytest.fixture
def reclaim(kernel: MemoryKernel, tree: Tree) -> CgroupReclaim:
    kernel.add_group()
    return CgroupReclaim(tree, TEN)


def asked(kernel: MemoryKernel) -> list[str]:
    return [text for path, text in kernel.writes if path == FILE]


def test_at_most_the_pace_is_asked_for(
    kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run
) -> None:
    reclaim.check()
    run(reclaim, 41, 1)
    assert asked(kernel) == [str(10 * MIB)] * 4
    assert int(kernel.files[CURRENT]) == 360 * MIB
    stats = reclaim.stats
    assert stats.sz_tried_bytes == stats.sz_applied_bytes == 40 * MIB
    assert (stats.nr_tried, stats.nr_applied, stats.qt_exceeds) == (4, 4, 4)


@pytest.mark.parametrize(
    ("floor_bytes", "files"),
    [
        (380 * MIB, {}),
        (0, {"memory.min": str(380 * MIB)}),
        (10 * MIB, {"memory.low": str(380 * MIB), "memory.min": str(50 * MIB)}),
    ],
)
def test_the_floor_holds(
    kernel: MemoryKernel,
    reclaim: CgroupReclaim,
    run: Run,
    floor_bytes: int,
    files: dict[str, str],
) -> None:
    kernel.files |= {f"{GROUP}/{name}": text for name, text in files.items()}
    reclaim.apply(replace(TEN, floor_bytes=floor_bytes, pace=Pace(12 * MIB, 1_000)))
    run(reclaim)
    assert int(kernel.files[CURRENT]) == 380 * MIB
    assert reclaim.stats.nr_held_back > 0


def test_protection_without_limit_is_a_floor_without_limit(
    kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run
) -> None:
    kernel.files[f"{GROUP}/memory.low"] = "max"
    run(reclaim)
    assert asked(kernel) == []


def test_nothing_is_asked_under_the_groups_pressure(
    kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run
) -> None:
    kernel.waited(10**9)  # the host's pressure is not the group's
    for step in range(1, 10):
        kernel.waited(step * 100_000, f"{GROUP}/memory.pressure")
        run(reclaim, 5)
    assert asked(kernel) == [] and reclaim.stats.nr_held_back == 9
    run(reclaim, 20)
    assert len(asked(kernel)) == 1


def test_pressure_ends_a_request_that_is_underway(
    kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run
) -> None:
    kernel.slow_results[FILE] = None
    run(reclaim, 10)
    assert kernel.underway
    kernel.waited(10**6, f"{GROUP}/memory.pressure")
    run(reclaim, 5)
    assert not kernel.underway
    assert reclaim.stats.nr_failed == 0 and reclaim.stats.nr_held_back == 2


def test_swappiness_is_passed_on(kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run) -> None:
    reclaim.apply(replace(TEN, swappiness=200))
    run(reclaim, 15)
    assert asked(kernel) == [f"{10 * MIB} swappiness=200"]


def test_a_kernel_without_swappiness_is_asked_once(
    kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run
) -> None:
    kernel.slow_results[FILE] = errno.EINVAL
    reclaim.apply(replace(TEN, swappiness=0))
    run(reclaim)
    assert len(kernel.started) == 1 and "ask without it" in reclaim.stats.last_failure
    kernel.slow_results.clear()
    reclaim.apply(TEN)
    run(reclaim, 10)
    assert len(asked(kernel)) == 1


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.EAGAIN, "less could be"), (errno.ETIMEDOUT, "time limit"), (errno.EIO, "no reason")],
)
def test_little_reclaimed_means_rest(
    kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run, number: int, says: str
) -> None:
    kernel.slow_results[FILE] = number
    run(reclaim, 400)
    assert len(kernel.started) <= 6
    assert says in reclaim.stats.last_failure
    # A quarter of what was asked for, as the fake kernel does, is counted.
    assert reclaim.stats.sz_applied_bytes == reclaim.stats.sz_tried_bytes // 4


def test_a_write_that_blocks_does_not_block_the_actor(
    kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run
) -> None:
    kernel.slow_results[FILE] = None
    run(reclaim, 16, 1)
    assert len(kernel.started) == 1 and "time limit" in reclaim.stats.last_failure


@pytest.mark.parametrize(
    "path",
    ["", "/", "init.scope", "/init.scope/", "init.scope/x", "a/../..", ".", "a//b", "../x"],
)
def test_protected_groups_are_refused(path: str) -> None:
    with pytest.raises(ValueError):
        replace(TEN, path=path)


@pytest.mark.parametrize(
    "wrong",
    [{"pace": Pace(1, 1)}, {"floor_bytes": -1}, {"swappiness": 201}, {"timeout_s": 0.0}],
)
def test_senseless_requests_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        replace(TEN, **wrong)


@pytest.mark.parametrize("path", ["system.slice/damon-tuner.service", "system.slice"])
def test_the_tuners_own_group_is_refused(kernel: MemoryKernel, tree: Tree, path: str) -> None:
    kernel.add_group(f"sys/fs/cgroup/{path}")
    request = replace(TEN, path=path)
    with pytest.raises(NoPermissionError, match="damon-tuner itself"):
        CgroupReclaim(tree, request).check()
    CgroupReclaim(tree, replace(request, own=True)).check()


def test_a_group_beside_the_tuners_own_is_not(kernel: MemoryKernel, tree: Tree) -> None:
    kernel.add_group("sys/fs/cgroup/system.slice/damon")
    CgroupReclaim(tree, replace(TEN, path="system.slice/damon")).check()


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ("memory.current", "subtree_control"),
        ("memory.reclaim", "Linux 5.19"),
        ("memory.pressure", "psi=1"),
    ],
)
def test_a_missing_file_is_named(
    kernel: MemoryKernel, reclaim: CgroupReclaim, gone: str, says: str
) -> None:
    del kernel.files[f"{GROUP}/{gone}"]
    with pytest.raises(DamonMissingError, match=says):
        reclaim.check()


def test_only_root_reclaims(kernel: MemoryKernel, reclaim: CgroupReclaim) -> None:
    kernel.unwritable[FILE] = errno.EACCES
    with pytest.raises(NoPermissionError):
        reclaim.check()


@pytest.mark.parametrize("when_s", [0, 6, 20])
def test_a_group_that_ends_is_a_failure_and_no_more(
    kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run, when_s: int
) -> None:
    run(reclaim, when_s, 1)
    files = kernel.files
    kernel.files = {path: text for path, text in files.items() if not path.startswith(GROUP)}
    run(reclaim, 100, 1)
    reclaim.release()
    assert len(asked(kernel)) <= 2
    kernel.files = files
    run(reclaim, 200, 1)
    assert len(asked(kernel)) > 2


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ENODEV])
def test_files_that_cannot_be_read_mean_rest(
    kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run, number: int
) -> None:
    kernel.read_faults.append(Fault("memory.current", failure(number), times=10**6))
    run(reclaim)
    assert kernel.started == [] and 0 < reclaim.stats.nr_failed <= 4


def test_release_ends_what_is_underway(
    kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run
) -> None:
    kernel.slow_results[FILE] = None
    run(reclaim, 10)
    reclaim.release()
    assert not kernel.underway
    assert reclaim.stats.sz_applied_bytes == 10 * MIB // 4  # until it was ended


def test_release_says_what_does_not_end(
    kernel: MemoryKernel, reclaim: CgroupReclaim, run: Run
) -> None:
    kernel.slow_results[FILE] = None
    kernel.stubborn = True
    run(reclaim, 10)
    with pytest.raises(NotRestoredError, match="still reclaims"):
        reclaim.release()
