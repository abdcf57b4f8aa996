"""A root folder with the files that a test names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.tree import Tree


@pytest.fixture
def put(tmp_path: Path) -> Callable[[dict[str, str]], None]:
    def put(files: dict[str, str]) -> None:
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)

    return put


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(LocalKernel(tmp_path), busy_timeout_s=0.0)
