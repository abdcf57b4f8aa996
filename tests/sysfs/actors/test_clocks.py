"""Memory clocks: which are capped, by which steps, and whose caps are left alone."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace

import pytest

from damon_tuner.errors import DamonMissingError, NoPermissionError, NotRestoredError
from damon_tuner.kernel_iface.sysfs.actors import ClocksRequest, MemoryClocks, Pace
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.tree import Tree

from ..fake_kernel import Fault, failure
from .fake_memory import DEVFREQ, UNCORE, MemoryKernel

Run = Callable[..., None]
DIE = f"{UNCORE}/package_00_die_00"
DMC = f"{DEVFREQ}/dmc"
HALF = ClocksRequest(cap_permille=500, floor_permille=0)


def add_die(kernel: MemoryKernel, folder: str = DIE, **files: object) -> None:
    usual = {
        "max_freq_khz": 2_400_000,
        "min_freq_khz": 800_000,
        "initial_max_freq_khz": 2_400_000,
        "initial_min_freq_khz": 800_000,
    }
    kernel.add_clock(folder, **{**usual, **files})


def add_device(kernel: MemoryKernel, folder: str = DMC, max_freq: int = 800_000_000) -> None:
    kernel.add_clock(
        folder,
        max_freq=max_freq,
        min_freq=0,
        cur_freq=400_000_000,
        available_frequencies="200000000 400000000 666000000 800000000",
    )


@pytest.fixture
def clocks(tree: Tree, ledger: Ledger) -> MemoryClocks:
    return MemoryClocks(tree, ledger, HALF)


def test_caps_fall_by_the_pace_and_rise_at_once(
    kernel: MemoryKernel, clocks: MemoryClocks, run: Run
) -> None:
    add_die(kernel)
    run(clocks, 3, 1)
    assert clocks.cap_permille == 700
    assert kernel.files[f"{DIE}/max_freq_khz"] == "1600000"  # 1.68 GHz, in whole steps
    run(clocks, 10, 1)
    assert kernel.files[f"{DIE}/max_freq_khz"] == "1200000"
    assert clocks.stats.qt_exceeds > 0 and clocks.stats.nr_failed == 0
    clocks.apply(replace(HALF, cap_permille=900))
    run(clocks, 1, 1)
    assert kernel.files[f"{DIE}/max_freq_khz"] == "2100000"


def test_full_speed_leaves_nothing_behind(
    kernel: MemoryKernel, clocks: MemoryClocks, ledger: Ledger, run: Run
) -> None:
    add_die(kernel)
    add_device(kernel)
    before = kernel.sysfs
    run(clocks, 20)
    assert kernel.sysfs != before
    clocks.apply(replace(HALF, cap_permille=1000))
    run(clocks, 5)
    assert kernel.sysfs == before and ledger.changes == ()


@pytest.mark.parametrize("way", ["release", "ledger"])
def test_caps_are_put_back(
    kernel: MemoryKernel, clocks: MemoryClocks, ledger: Ledger, run: Run, way: str
) -> None:
    add_die(kernel, max_freq_khz=2_300_000)
    add_device(kernel)
    before = kernel.sysfs
    run(clocks, 30)
    (clocks.release if way == "release" else ledger.restore)()
    assert kernel.sysfs == before and ledger.changes == ()


def test_devices_take_only_their_frequencies(
    kernel: MemoryKernel, clocks: MemoryClocks, run: Run
) -> None:
    add_device(kernel)
    clocks.apply(replace(HALF, cap_permille=900))
    run(clocks, 30)
    assert kernel.files[f"{DMC}/max_freq"] == "666000000"


@pytest.mark.parametrize("name", ["fb000000.gpu", "1d84000.ufshc"])
def test_what_is_no_memory_is_not_touched(
    kernel: MemoryKernel, clocks: MemoryClocks, run: Run, name: str
) -> None:
    add_device(kernel, f"{DEVFREQ}/{name}")
    run(clocks, 30)
    assert kernel.writes == []
    with pytest.raises(DamonMissingError):
        clocks.check()


def test_a_device_that_is_capped_already_is_left_alone(
    kernel: MemoryKernel, clocks: MemoryClocks, run: Run
) -> None:
    add_device(kernel, max_freq=666_000_000)
    run(clocks, 30)
    assert kernel.writes == []


@pytest.mark.parametrize(
    ("request_", "files", "cap"),
    [
        (replace(HALF, cap_permille=0), {}, 800_000),
        (replace(HALF, cap_permille=0), {"min_freq_khz": 1_250_000}, 1_300_000),
        (replace(HALF, cap_permille=0, floor_permille=700), {}, 1_600_000),
        (replace(HALF, cap_permille=900), {"max_freq_khz": 1_500_000}, 1_500_000),
        (HALF, {"max_freq_khz": 1_500_000}, 1_200_000),
        (replace(HALF, cap_permille=0), {"max_freq_khz": 800_000}, 800_000),
    ],
)
def test_limits_hold(
    kernel: MemoryKernel,
    clocks: MemoryClocks,
    run: Run,
    request_: ClocksRequest,
    files: dict[str, object],
    cap: int,
) -> None:
    add_die(kernel, **files)
    clocks.apply(replace(request_, pace=Pace(1000, 1000)))
    run(clocks, 30)
    assert kernel.files[f"{DIE}/max_freq_khz"] == str(cap)


def test_domains_of_memory_go_before_dies(
    kernel: MemoryKernel, clocks: MemoryClocks, run: Run
) -> None:
    add_die(kernel)
    add_die(kernel, f"{UNCORE}/uncore00", agent_types="core cache")
    add_die(kernel, f"{UNCORE}/uncore01", agent_types="memory io")
    run(clocks, 30)
    assert {path for path, _ in kernel.writes} == {f"{UNCORE}/uncore01/max_freq_khz"}


def test_dies_where_domains_are_not_told_apart(
    kernel: MemoryKernel, clocks: MemoryClocks, run: Run
) -> None:
    add_die(kernel)
    add_die(kernel, f"{UNCORE}/uncore00")
    run(clocks, 30)
    assert {path for path, _ in kernel.writes} == {f"{DIE}/max_freq_khz"}


def test_somebody_elses_cap_stays(
    kernel: MemoryKernel, clocks: MemoryClocks, ledger: Ledger, run: Run
) -> None:
    add_die(kernel)
    run(clocks, 2, 1)
    kernel.files[f"{DIE}/max_freq_khz"] = "1700000"
    run(clocks, 30)
    assert kernel.files[f"{DIE}/max_freq_khz"] == "1700000"
    assert "somebody else" in clocks.stats.last_failure and clocks.stats.nr_failed == 1
    with pytest.raises(NotRestoredError, match="left alone"):
        clocks.release()
    assert kernel.files[f"{DIE}/max_freq_khz"] == "1700000" and ledger.changes == ()


def test_a_cap_that_the_hardware_does_not_keep_is_taken_back(
    kernel: MemoryKernel, clocks: MemoryClocks, ledger: Ledger, run: Run
) -> None:
    add_die(kernel)
    path = f"{DIE}/max_freq_khz"
    store = kernel._store
    kernel._store = lambda path, text: store(path, text if text == "2400000" else "1234000")
    run(clocks, 30)
    assert kernel.files[path] == "2400000" and ledger.changes == ()
    assert "holds 1234000" in clocks.stats.last_failure and clocks.stats.nr_tried == 1


@pytest.mark.parametrize(
    ("number", "most_tries"),
    [(errno.EIO, 1), (errno.EINVAL, 1), (errno.EBUSY, 4), (errno.EACCES, 4), (errno.ENOENT, 4)],
)
def test_a_clock_that_fails_rests_and_others_go_on(
    kernel: MemoryKernel,
    clocks: MemoryClocks,
    ledger: Ledger,
    run: Run,
    number: int,
    most_tries: int,
) -> None:
    add_die(kernel)
    add_device(kernel)
    kernel.write_faults.append(Fault("khz", failure(number), times=10**6))
    before = kernel.files[f"{DIE}/max_freq_khz"]
    run(clocks, 60)
    assert kernel.files[f"{DMC}/max_freq"] == "400000000"
    assert 1 <= clocks.stats.nr_failed <= most_tries
    clocks.release()
    assert kernel.files[f"{DIE}/max_freq_khz"] == before and ledger.changes == ()


def test_files_that_vanish_stop_nothing(
    kernel: MemoryKernel, clocks: MemoryClocks, ledger: Ledger, run: Run
) -> None:
    add_die(kernel)
    add_device(kernel)
    run(clocks, 2, 1)
    kernel.files = {path: text for path, text in kernel.files.items() if DIE not in path}
    run(clocks, 30)
    assert kernel.files[f"{DMC}/max_freq"] == "400000000"
    clocks.release()
    assert ledger.changes == ()


@pytest.mark.parametrize(
    ("cpuinfo", "says"),
    [
        ("vendor_id : AuthenticAMD", "firmware alone"),
        ("vendor_id : GenuineIntel", "intel_uncore_frequency"),
        ("CPU implementer : 0x41", "devfreq driver"),
    ],
)
def test_a_host_without_such_clocks_is_told_why(
    kernel: MemoryKernel, clocks: MemoryClocks, run: Run, cpuinfo: str, says: str
) -> None:
    kernel.files["proc/cpuinfo"] = cpuinfo
    with pytest.raises(DamonMissingError, match=says):
        clocks.check()
    run(clocks, 10)
    assert kernel.writes == []


def test_only_root_caps_clocks(kernel: MemoryKernel, clocks: MemoryClocks) -> None:
    add_die(kernel)
    clocks.check()
    kernel.unwritable[f"{DIE}/max_freq_khz"] = errno.EACCES
    with pytest.raises(NoPermissionError, match="run as root"):
        clocks.check()


@pytest.mark.parametrize("wrong", [{"cap_permille": 1001}, {"floor_permille": -1}])
def test_senseless_requests_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        replace(HALF, **wrong)


def test_a_cap_that_could_not_be_raised_is_raised_later(
    kernel: MemoryKernel, clocks: MemoryClocks, run: Run
) -> None:
    add_die(kernel)
    run(clocks, 10, 1)
    assert kernel.files[f"{DIE}/max_freq_khz"] == "1200000"
    kernel.write_faults.append(Fault("max_freq_khz", failure(errno.EIO), text="2400000"))
    clocks.apply(replace(HALF, cap_permille=1_000))
    run(clocks, 1, 1)
    assert kernel.files[f"{DIE}/max_freq_khz"] == "1200000"
    run(clocks, 60, 1)
    assert kernel.files[f"{DIE}/max_freq_khz"] == "2400000"
    assert "somebody else" not in clocks.stats.last_failure


def test_a_die_without_a_highest_frequency_is_left_alone(
    kernel: MemoryKernel, clocks: MemoryClocks, run: Run
) -> None:
    off = f"{UNCORE}/package_01_die_00"
    add_die(kernel)
    add_die(kernel, off, initial_max_freq_khz=0)
    run(clocks, 10, 1)
    assert kernel.files[f"{DIE}/max_freq_khz"] == "1200000"
    assert kernel.files[f"{off}/max_freq_khz"] == "2400000"
