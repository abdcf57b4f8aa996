"""A fake kernel, and hosts on it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from damon_tuner.kernel_iface.host import Context
from damon_tuner.kernel_iface.sysfs import SysfsHost

from .fake_kernel import PID, FakeKernel


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def make_host(kernel: FakeKernel) -> Callable[..., SysfsHost]:
    def make(context: Context | None = None, **options: object) -> SysfsHost:
        return SysfsHost(context or Context(pid=PID), kernel=kernel, **options)

    return make
