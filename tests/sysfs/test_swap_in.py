"""Which disk a major fault reads, and what a host on which none can be read is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs import swap_in

from .fake_kernel import FakeKernel

ZRAM, DISK = "/dev/zram0 partition 900 300 100\n", "/dev/vda2 partition 900 100 1\n"


def _on(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, devices: str, zswap: str) -> None:
    kernel.files["proc/swaps"] = f"Filename Type Size Used Priority\n{devices}"
    kernel.files["sys/module/zswap/parameters/enabled"] = zswap
    monkeypatch.setattr(swap_in, "LocalKernel", lambda: kernel)


@pytest.mark.parametrize(
    ("devices", "zswap", "place"),
    [
        ("", "N", sys.executable),
        (ZRAM, "N", sys.executable),
        (ZRAM + DISK, "N", "/dev/vda2"),
        (DISK, "Y", "/dev/vda2"),
    ],
)
def test_the_disk_is_the_one_behind_compressed_memory_or_that_of_programs(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, devices: str, zswap: str, place: str
) -> None:
    _on(kernel, monkeypatch, devices, zswap)
    monkeypatch.setattr(swap_in, "_read_us", {place: 77.0}.get)
    assert swap_in.measure_disk_in_us() == 77.0


def test_where_swap_is_that_disk_there_is_nothing_to_add(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    _on(kernel, monkeypatch, DISK, "N")
    assert swap_in.measure_disk_in_us() == 0.0


@pytest.mark.parametrize("devices", [ZRAM + "/none/such partition 900 0 1\n", "what is this"])
def test_a_disk_that_cannot_be_read_is_not_known(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, devices: str
) -> None:
    _on(kernel, monkeypatch, devices, "N")
    assert swap_in.measure_disk_in_us() == 0.0


def test_a_file_is_read_past_the_page_cache_and_stays_as_it_is(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "swap.img"
    file.write_bytes(b"x" * (1 << 20))
    before = file.stat()
    _on(kernel, monkeypatch, f"{ZRAM}{file} file 1024 0 1\n", "N")
    try:
        swap_in._read_us(str(file))
    except TunerError:
        pytest.skip("this file system refuses to be read past the page cache")
    assert 0.0 < swap_in.measure_disk_in_us() < 1e6
    after = file.stat()
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
