"""A debug build ends where a host's memory is not what it must be, and says how."""

from __future__ import annotations

from pathlib import Path

import pytest

from .helpers import ROOT, SIM, check_broken_is_named, check_nothing_is_named, debug_program


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = [*SIM.glob("**/*.c"), *(ROOT / "policies/decide").glob("*.c")]
    return debug_program(tmp_path_factory.mktemp("verify"), "broken_memory.c", files, "-O0")


@pytest.mark.parametrize(
    ("what", "invariant"),
    [
        ("share", "what a block has in a tier is a share of 0 to 1"),
        ("lost", "what a block has in all tiers is what was touched and what bloats it"),
        ("huge", "huge pages are resident"),
        ("file", "pages of files go to storage, others to the pool and to swap"),
        ("sum", "a tenant's pages in a tier are those of its blocks"),
        ("machine", "a machine's pages in a tier are those of its tenants"),
        ("overfull", "fast memory is not overfull once reclaim ran"),
        ("offline", "only movable memory blocks are offline"),
    ],
)
def test_what_is_broken_is_named(broken: Path, what: str, invariant: str) -> None:
    check_broken_is_named(broken, what, invariant)


def test_nothing_is_named_where_all_holds(broken: Path) -> None:
    check_nothing_is_named(broken)
