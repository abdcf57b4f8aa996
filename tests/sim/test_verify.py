"""A debug build ends at the first invariant that does not hold, and names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from damon_tuner import _core

from .helpers import SIM, check_broken_is_named, check_nothing_is_named, debug_program

SOURCES = (
    *("attrs", "filters", "kdamond", "monitor", "quota", "regions", "schemes"),
    *("score", "tuning", "validate", "verify", "walk"),
)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = [SIM / f"{name}.c" for name in SOURCES]
    return debug_program(tmp_path_factory.mktemp("verify"), "broken.c", files, "-O1")


@pytest.mark.parametrize(
    ("what", "invariant"),
    [
        ("order", "regions are sorted and disjoint"),
        ("target", "regions are sorted by target"),
        ("empty", "no region is empty"),
        ("count", "nr_accesses is at most the samples of an aggregation"),
        ("size", "the sizes of regions add up to what was set"),
        ("limit", "no region is above the size limit"),
        ("quota", "a quota is not exceeded in a charge window"),
    ],
)
def test_what_is_broken_is_named(broken: Path, what: str, invariant: str) -> None:
    check_broken_is_named(broken, what, invariant)


def test_nothing_is_named_where_all_holds(broken: Path) -> None:
    check_nothing_is_named(broken)


def test_the_invariants_can_be_asked_for() -> None:
    monitor = _core.Monitor()
    monitor.set_regions([(0, 4096, 20, 20, 0)])
    assert monitor.broken_invariant() is None
    monitor.set_regions([(0, 4096, 21, 20, 0)])
    assert monitor.broken_invariant() == "nr_accesses is at most the samples of an aggregation"
