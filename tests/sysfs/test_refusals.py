"""Where DAMON cannot be had, nothing is written and the message says what to do."""

from __future__ import annotations

import errno

import pytest

from damon_tuner.errors import (
    DamonBusyError,
    DamonMissingError,
    NoPermissionError,
    TargetGoneError,
)
from damon_tuner.kernel_iface.host import Context, Operations

from .fake_kernel import NR_KDAMONDS, STATE, Fault, failure


def refused(kernel, host, error: type[Exception], message: str) -> None:
    found = dict(kernel.files)
    with pytest.raises(error, match=message):
        host.start([])
    assert kernel.files == found


@pytest.fixture(autouse=True)
def nothing_is_written(kernel):
    mark = []
    yield mark
    assert [text for path, text in kernel.writes if (path, text) not in mark] == []


@pytest.mark.parametrize("state", ["on", "off"])
def test_another_kdamond_is_named(kernel, make_host, nothing_is_written, state):
    kernel.write(NR_KDAMONDS, "2")
    nothing_is_written += kernel.writes
    kernel.files[STATE] = state
    kernel.files[STATE.replace("state", "pid")] = "99"
    refused(
        kernel,
        make_host(),
        DamonBusyError,
        rf"kdamond 0 \({state}, pid 99\), kdamond 1 \(off, pid -1\): .*write off .* 0 to /sys/",
    )


def test_of_very_many_kdamonds_some_are_named(kernel, make_host):
    kernel.files[NR_KDAMONDS] = "2000000000"
    refused(kernel, make_host(), DamonBusyError, r"kdamond 3 .* and 1999999996 more: ")


def test_a_kdamond_whose_owner_holds_the_lock_is_still_refused(
    kernel, make_host, nothing_is_written
):
    kernel.write(NR_KDAMONDS, "1")
    nothing_is_written += kernel.writes
    kernel.read_faults = [Fault("state", failure(errno.EBUSY), times=10**6)]
    refused(kernel, make_host(), DamonBusyError, r"kdamond 0 \(busy\)")


@pytest.mark.parametrize("module", ["damon_reclaim", "damon_lru_sort"])
def test_a_module_that_runs_damon_is_named_with_its_parameter(kernel, make_host, module):
    parameter = f"sys/module/{module}/parameters/enabled"
    kernel.files[parameter] = "Y"
    kernel.files["sys/module/damon_stat/parameters/enabled"] = "Y"
    refused(kernel, make_host(), DamonBusyError, f"{module}: write N to /{parameter}")


def test_a_kernel_without_damon(kernel, make_host):
    del kernel.files[NR_KDAMONDS]
    refused(kernel, make_host(), DamonMissingError, "no DAMON.*CONFIG_DAMON_SYSFS")


def test_a_kernel_without_the_modules_is_fine(kernel, make_host, nothing_is_written):
    for path in [path for path in kernel.files if path.startswith("sys/module/")]:
        del kernel.files[path]
    make_host().start([])
    assert kernel.running
    nothing_is_written += kernel.writes


def test_a_kernel_that_measures_no_pressure(kernel, make_host):
    del kernel.files["proc/pressure/memory"]
    refused(kernel, make_host(), DamonMissingError, "psi=1")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_an_unprivileged_user_is_told_to_be_root(kernel, make_host, number):
    kernel.read_faults = [Fault(NR_KDAMONDS, failure(number))]
    refused(kernel, make_host(), NoPermissionError, "run as root")


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.EPERM, "run as root"), (errno.EROFS, "mounted read-only")]
)
def test_a_user_who_may_only_read(kernel, make_host, number, advice):
    kernel.write_faults = [Fault(NR_KDAMONDS, failure(number))]
    refused(kernel, make_host(), NoPermissionError, advice)


def test_physical_addresses_hidden_from_the_user(kernel, make_host, nothing_is_written):
    kernel.files["proc/iomem"] = "00000000-00000000 : System RAM\n"
    refused(kernel, make_host(Context(Operations.PADDR)), NoPermissionError, "run as root")


@pytest.mark.parametrize(
    ("state", "message"), [(None, "never existed"), ("Z", "reaped"), ("X", "reaped")]
)
def test_a_process_that_is_not_there(kernel, make_host, state, message):
    if state:
        kernel.spawn(7, state=state)
    refused(kernel, make_host(Context(pid=7)), TargetGoneError, f"process 7 .*{message}")


def test_a_kernel_thread_has_no_memory(kernel, make_host):
    kernel.spawn(7)
    kernel.files["proc/7/status"] = "Name:\tkthreadd"
    refused(kernel, make_host(Context(pid=7)), TargetGoneError, "kernel thread")


def test_another_tuner_is_refused_until_it_has_stopped(kernel, make_host, nothing_is_written):
    first, second = make_host(), make_host()
    first.start([])
    kernel.files[NR_KDAMONDS] = "0"  # as the second saw it, just before the first wrote
    nothing_is_written += kernel.writes
    refused(kernel, second, DamonBusyError, "another damon-tuner manages this host")
    kernel.files[NR_KDAMONDS] = "1"
    first.stop()
    assert not kernel.locked
    second.start([])
    second.stop()
    nothing_is_written += kernel.writes
