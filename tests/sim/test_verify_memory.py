"""A debug build ends where a host's memory is not what it must be, and says how."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SIM = ROOT / "kernel_iface/sim"


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("verify") / "broken_memory"
    files = [str(ROOT / "tests/sim/broken_memory.c"), *map(str, SIM.glob("**/*.c"))]
    files += map(str, (ROOT / "policies/decide").glob("*.c"))
    flags = ["-std=c11", "-O0", "-DDT_DEBUG", f"-I{SIM}", f"-I{ROOT / 'policies/decide'}"]
    command = [compiler, *flags, *files, "-lm", "-pthread", "-o", str(program)]
    subprocess.run(command, check=True)
    return program


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
    done = subprocess.run([broken, what], capture_output=True, text=True)
    assert done.returncode < 0
    assert done.stderr.endswith(f"this does not hold: {invariant}\n")


def test_nothing_is_named_where_all_holds(broken: Path) -> None:
    done = subprocess.run([broken, "nothing"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "nothing is broken\n")
