"""What is huge, what of it was never used, and what that leads to, on files like the kernel's."""

from __future__ import annotations

import json
from array import array
from pathlib import Path

import pytest

from damon_tuner.errors import NoPermissionError, TargetGoneError
from damon_tuner.kernel_iface.host import Intervals, Region
from damon_tuner.kernel_iface.huge_pages import as_json, as_text, examine
from damon_tuner.kernel_iface.huge_pages.advice import Advice, region_reports
from damon_tuner.kernel_iface.huge_pages.areas import HUGE_BYTES, PAGES, Area, areas
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.tree import Tree

MIB = 1 << 20
START = 16 * HUGE_BYTES
PID = 7
PRESENT = 1 << 63
INTERVALS = Intervals()
SMAPS = f"""\
{START - 4096:x}-{START + 4 * HUGE_BYTES + 8192:x} rw-p 00000000 00:00 0
Size:               8204 kB
Anonymous:          4096 kB
AnonHugePages:      4096 kB
{START + 64 * HUGE_BYTES:x}-{START + 65 * HUGE_BYTES:x} r-xp 00000000 fe:01 9   /usr/bin/x
Anonymous:             0 kB
"""
ROLLUP = "0-f ---p 0 00:00 0 [rollup]\nRss: 6144 kB\nPss: 6144 kB\nAnonHugePages: 4096 kB\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A process with two huge pages, a contiguous run that is none, and half an area of pages."""
    folder = tmp_path / "proc" / str(PID)
    folder.mkdir(parents=True)
    (folder / "smaps").write_text(SMAPS)
    (folder / "smaps_rollup").write_text(ROLLUP)
    pages = [PRESENT | (2 * PAGES + n) for n in range(2 * PAGES)]  # two huge pages
    pages += [PRESENT | (4 * PAGES + n) for n in range(PAGES)]  # as one, but for its flags
    pages += [PRESENT | (9 * PAGES + 7 * n) for n in range(PAGES // 2)] + [0] * (PAGES // 2)
    with (folder / "pagemap").open("wb") as file:
        file.seek(START // 4096 * 8)
        file.write(array("Q", pages).tobytes())
    with (folder / "mem").open("wb") as file:
        file.truncate(START + 4 * HUGE_BYTES)
        file.seek(START + 4096)
        file.write(b"x" * 4096)  # all others of the first huge page are zero
        file.seek(START + HUGE_BYTES)
        file.write(b"x" * HUGE_BYTES)
    flags = array("Q", [0]) * (5 * PAGES)
    for head in (2 * PAGES, 3 * PAGES):
        flags[head] = 1 << 22
    (tmp_path / "proc/kpageflags").write_bytes(flags.tobytes())
    return Tree(LocalKernel(tmp_path), busy_timeout_s=0.0)


def test_areas_are_told_by_their_frames_and_flags(tree: Tree) -> None:
    assert list(areas(tree, PID)) == [
        Area(START, PAGES, is_huge=True),
        Area(START + HUGE_BYTES, PAGES, is_huge=True),
        Area(START + 2 * HUGE_BYTES, PAGES, is_huge=False),
        Area(START + 3 * HUGE_BYTES, PAGES // 2, is_huge=False),
    ]


def test_what_was_never_used_is_told_without_damon(tree: Tree) -> None:
    found = examine(tree, PID, 0.0)
    assert found.huge_bytes == 2 * HUGE_BYTES
    assert found.bloat_bytes == pytest.approx(HUGE_BYTES, abs=4096)
    (region,) = found.regions
    assert (region.start, region.end) == (START, START + 4 * HUGE_BYTES)
    assert region.small_bytes == HUGE_BYTES * 3 // 2
    assert (region.heat, region.advice) == (None, Advice.NONE)
    text = as_text(found)
    assert "process 7: 6 MiB resident, 4 MiB (67%) in huge pages" in text
    assert "bloat: 2 MiB of that (50%)" in text
    assert "2 of 2 huge pages" in text
    assert json.loads(as_json(found))["regions"][0]["bloat_bytes"] == region.bloat_bytes


def test_a_process_that_is_not_there_and_a_user_who_may_not(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(TargetGoneError, match="process 8"):
        examine(tree, 8, 0.0)
    with (tmp_path / f"proc/{PID}/pagemap").open("r+b") as file:
        file.seek(START // 4096 * 8)
        file.write(array("Q", [PRESENT] * PAGES).tobytes())  # as the kernel tells other users
    with pytest.raises(NoPermissionError, match="run as root"):
        list(areas(tree, PID))


def area(number: int, *, present: int = PAGES, is_huge: bool = False) -> Area:
    return Area(number * HUGE_BYTES, present, is_huge)


def region(first: int, last: int, samples: int, age: int) -> Region:
    return Region(first * HUGE_BYTES, last * HUGE_BYTES, samples, age)


@pytest.mark.parametrize(
    ("samples", "age", "zeros", "expected"),
    [
        (10, 1, 0.9, (Advice.COLLAPSE, 2)),
        (9, 99, 0.9, (Advice.NONE, 0)),  # warm: neither
        (0, 50, 0.6, (Advice.SPLIT, 2)),
        (0, 49, 0.6, (Advice.NONE, 0)),  # not cold for half of the time that it was watched
        (0, 99, 0.4, (Advice.NONE, 0)),  # cold, but mostly in use
    ],
)
def test_what_is_advised(
    samples: int, age: int, zeros: float, expected: tuple[Advice, int]
) -> None:
    found = [
        *(area(0, is_huge=True), area(1, is_huge=True)),
        *(area(2), area(3, present=PAGES * 3 // 4), area(4, present=PAGES // 2)),
        area(9, is_huge=True),
    ]
    shares = {0: zeros, HUGE_BYTES: zeros, 9 * HUGE_BYTES: 0.0}
    (report,) = region_reports([region(0, 6, samples, age)], found, shares, INTERVALS, 10.0)
    assert (report.advice, report.advised_bytes // HUGE_BYTES) == expected
    assert report.huge_bytes == 2 * HUGE_BYTES
    assert report.bloat_bytes == round(2 * HUGE_BYTES * zeros)


def test_regions_that_hold_nothing_are_left_out() -> None:
    found = [area(0, present=0), area(5)]
    reports = region_reports([region(0, 2, 0, 9), region(5, 6, 0, 9)], found, {}, INTERVALS, 10.0)
    assert [report.start for report in reports] == [5 * HUGE_BYTES]
    assert reports[0].bloat_bytes is None
