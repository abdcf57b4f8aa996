"""A host that has everything, below a temporary root, and a doctor that cannot write to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from damon_tuner.kernel_iface.doctor import Finding, examine
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .good_host import make_root


class ReadOnlyKernel(LocalKernel):
    """A write is a failed test, and so is a lock, whose file would be made."""

    def write(self, path: str, text: str) -> None:
        raise AssertionError(f"the doctor writes {text!r} to {path}")

    def lock(self, path: str) -> Callable[[], None]:
        raise AssertionError(f"the doctor locks {path}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path)


@pytest.fixture
def look(root: Path) -> Callable[[], dict[str, Finding]]:
    def look() -> dict[str, Finding]:
        tree = Tree(ReadOnlyKernel(root), busy_timeout_s=0.0)
        return {finding.name: finding for finding in examine(tree, root / "state")}

    return look
