"""Tests of this folder drive the DAMON of the kernel they run on: in the guest, nowhere else."""

import os
from collections.abc import Iterator
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
