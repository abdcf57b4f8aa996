"""Tests of this folder drive the DAMON of the kernel they run on: in the guest, nowhere else."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.occupants import DAMON_STAT_ENABLED
from damon_tuner.kernel_iface.sysfs.tree import Tree

_HERE = Path(__file__).parent
_ONLY_IN_GUEST = pytest.mark.skip(
    reason="changes the running kernel, so only in the guest: "
    "python -m damon_tuner.kernel_iface.guest -- python -m pytest tests/kernel"
)


# maps and fills 32 MiB, says so, and then does nothing
_IDLER = """
import mmap, os, sys, time
memory = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
memory.write((os.urandom(2048) + bytes(2048)) * (8 << 10))
print("ready", flush=True)
time.sleep(3600)
"""


@pytest.fixture
def spawn_idler() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start processes whose 32 MiB nobody touches, in a control group if one is given.

    They end with the test.
    """
    processes: list[subprocess.Popen[str]] = []

    def spawn(group: Path | None = None) -> subprocess.Popen[str]:
        def join() -> None:
            if group is not None:
                (group / "cgroup.procs").write_text(str(os.getpid()))

        command = [sys.executable, "-S", "-c", _IDLER]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=join)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield spawn
    for process in processes:
        with process:
            process.kill()


@pytest.fixture
def idler(spawn_idler: Callable[..., subprocess.Popen[str]]) -> subprocess.Popen[str]:
    return spawn_idler()


@pytest.hookimpl(tryfirst=True)  # before "-m" selects by the marks that this adds
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests, and skip them on a machine that is not the guest."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.kernel)
            if os.environ.get("DAMON_TUNER_GUEST") != "1":
                item.add_marker(_ONLY_IN_GUEST)


@pytest.fixture
def tree() -> Tree:
    return Tree(LocalKernel())


@pytest.fixture
def ledger(tree: Tree) -> Iterator[Ledger]:
    """Every test leaves DAMON as it was."""
    before = damon_settings()
    ledger = Ledger(tree)
    if tree.read_if_present(DAMON_STAT_ENABLED) == "Y":
        ledger.write(DAMON_STAT_ENABLED, "N")
    yield ledger
    ledger.restore()
    assert damon_settings() == before


@pytest.fixture
def damon(tree: Tree, ledger: Ledger) -> Damon:
    return Damon(tree, ledger)
