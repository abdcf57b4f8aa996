"""Several actors asked for together, as schemes are."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace

import pytest

from damon_tuner.errors import DamonMissingError, NotRestoredError
from damon_tuner.kernel_iface.sysfs.actors import (
    Actors,
    BlocksRequest,
    ClocksRequest,
    Pace,
    ReclaimRequest,
)
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.tree import Tree

from ..fake_kernel import Fault, failure
from .fake_memory import BLOCK_BYTES, DEVFREQ, MIB, MemoryKernel, state

BLOCKS = BlocksRequest(2 * BLOCK_BYTES, 0)
CLOCKS = ClocksRequest(500)
RECLAIM = ReclaimRequest("app.slice/db.service", Pace(MIB, 1_000), 0)
ALL = (BLOCKS, CLOCKS, RECLAIM)


@pytest.fixture
def actors(kernel: MemoryKernel, tree: Tree, ledger: Ledger) -> Actors:
    kernel.add_group()
    kernel.add_clock(
        f"{DEVFREQ}/dmc", max_freq=800, min_freq=0, available_frequencies="200 400 600 800"
    )
    return Actors(tree, ledger)


def test_all_act_and_all_is_put_back(
    kernel: MemoryKernel, actors: Actors, ledger: Ledger, run: Callable[..., None]
) -> None:
    before = {path: text for path, text in kernel.sysfs.items() if "cgroup" not in path}
    actors.check(ALL)
    assert kernel.writes == []
    actors.apply(ALL)
    run(actors)
    assert set(actors.stats()) == {"memory_blocks", "clocks", "reclaim /app.slice/db.service"}
    assert all(stats.nr_applied for stats in actors.stats().values())
    actors.release()
    after = {path: text for path, text in kernel.sysfs.items() if "cgroup" not in path}
    assert after == before and ledger.changes == () and actors.stats() == {}


def test_statistics_outlive_a_new_request(
    kernel: MemoryKernel, actors: Actors, run: Callable[..., None]
) -> None:
    actors.apply(ALL)
    run(actors)
    before = actors.stats()
    actors.apply([replace(BLOCKS, offline_bytes=0), CLOCKS, RECLAIM])
    assert actors.stats() == before
    run(actors, 5)
    assert "offline" not in kernel.states().values()


def test_what_is_no_longer_asked_for_is_put_back(
    kernel: MemoryKernel, actors: Actors, ledger: Ledger, run: Callable[..., None]
) -> None:
    actors.apply(ALL)
    run(actors)
    actors.apply([CLOCKS])
    assert "offline" not in kernel.states().values()
    assert [change.path for change in ledger.changes] == [f"{DEVFREQ}/dmc/max_freq"]


def test_a_host_that_cannot_changes_nothing(
    kernel: MemoryKernel, actors: Actors, run: Callable[..., None]
) -> None:
    actors.apply([CLOCKS])
    run(actors)
    del kernel.files["proc/pressure/memory"]
    with pytest.raises(DamonMissingError):
        actors.apply([BLOCKS])
    assert list(actors.stats()) == ["clocks"]
    assert kernel.files[f"{DEVFREQ}/dmc/max_freq"] == "400"


def test_two_requests_for_one_actor_are_refused(actors: Actors) -> None:
    with pytest.raises(ValueError, match="one request"):
        actors.apply([BLOCKS, replace(BLOCKS, offline_bytes=0)])


def test_one_that_is_stuck_does_not_keep_the_others(
    kernel: MemoryKernel, actors: Actors, ledger: Ledger, run: Callable[..., None]
) -> None:
    actors.apply(ALL)
    run(actors)
    kernel.write_faults.append(Fault("memory6/state", failure(errno.ENOMEM)))
    with pytest.raises(NotRestoredError, match=f"/{state(6)}"):
        actors.release()
    assert [change.path for change in ledger.changes] == [state(6)]
    actors.release()
    assert ledger.changes == ()
