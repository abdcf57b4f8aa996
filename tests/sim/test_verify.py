"""A debug build ends at the first invariant that does not hold, and names it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from damon_tuner import _core

ROOT = Path(__file__).parents[2]
SIM = ROOT / "kernel_iface/sim"
SOURCES = (
    *("attrs", "filters", "kdamond", "monitor", "quota", "regions", "schemes"),
    *("score", "tuning", "validate", "verify", "walk"),
)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("verify") / "broken"
    files = [str(SIM / f"{name}.c") for name in SOURCES]
    flags = ["-std=c11", "-O1", "-DDT_DEBUG", f"-I{SIM}", f"-I{ROOT / 'policies/decide'}"]
    command = [compiler, *flags, str(ROOT / "tests/sim/broken.c"), *files, "-lm"]
    subprocess.run([*command, "-o", str(program)], check=True)
    return program


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
    done = subprocess.run([broken, what], capture_output=True, text=True)
    assert done.returncode < 0
    assert done.stderr.endswith(f"this does not hold: {invariant}\n")


def test_nothing_is_named_where_all_holds(broken: Path) -> None:
    done = subprocess.run([broken, "nothing"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "nothing is broken\n")


def test_the_invariants_can_be_asked_for() -> None:
    monitor = _core.Monitor()
    monitor.set_regions([(0, 4096, 20, 20, 0)])
    assert monitor.broken_invariant() is None
    monitor.set_regions([(0, 4096, 21, 20, 0)])
    assert monitor.broken_invariant() == "nr_accesses is at most the samples of an aggregation"
