"""Tests of this folder drive the DAMON of the kernel they run on: in the guest, nowhere else."""

import os
from pathlib import Path

import pytest

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
