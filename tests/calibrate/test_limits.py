"""How much memory calibration takes, and when it refuses to."""

from pathlib import Path

import pytest

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.calibrate.limits import limits, power_of_two_at_most

from .helpers import fake_host

MIB_KB = 1024
GIB_KB = 1 << 20


def _meminfo(available_kb: int) -> dict[str, str]:
    return {"proc/meminfo": f"MemTotal: 999 kB\nMemAvailable: {available_kb} kB\n"}


@pytest.mark.parametrize(
    ("available_kb", "quick", "mib"),
    [(64 * GIB_KB, False, 2048), (4 * GIB_KB, False, 1024), (4 * GIB_KB, True, 64)],
)
def test_a_part_of_what_is_available(
    tmp_path: Path, available_kb: int, quick: bool, mib: int
) -> None:
    files = fake_host(tmp_path, _meminfo(available_kb))
    assert limits(quick=quick, files=files).max_bytes == mib << 20


def test_a_cgroup_above_bounds_it_too(tmp_path: Path) -> None:
    cgroup = {
        "proc/self/cgroup": "1:name=old:/x\n0::/a/b\n",
        "sys/fs/cgroup/a/b/memory.max": "max\n",
        "sys/fs/cgroup/a/b/memory.current": "1\n",
        "sys/fs/cgroup/a/memory.max": f"{500 << 20}\n",
        "sys/fs/cgroup/a/memory.current": f"{100 << 20}\n",
    }
    files = fake_host(tmp_path, _meminfo(64 * GIB_KB) | cgroup)
    assert limits(files=files).max_bytes == 100 << 20


def test_more_than_half_of_the_available_memory_is_refused(tmp_path: Path) -> None:
    files = fake_host(tmp_path, _meminfo(1000 * MIB_KB))
    assert limits(500, files=files).max_bytes == 500 << 20
    with pytest.raises(TunerError, match="--max-mib 501 is more than half of the 1000 MiB"):
        limits(501, files=files)


@pytest.mark.parametrize(("available_mib", "asked"), [(4000, 7), (20, None), (0, None)])
def test_too_little_memory_is_refused(
    tmp_path: Path, available_mib: int, asked: int | None
) -> None:
    files = fake_host(tmp_path, _meminfo(available_mib * MIB_KB))
    with pytest.raises(TunerError, match="needs 8 MiB"):
        limits(asked, files=files)


def test_the_largest_cache_decides_what_exceeds_caches(tmp_path: Path) -> None:
    cache = "sys/devices/system/cpu/cpu0/cache"
    sizes = {f"{cache}/index0/size": "32K\n", f"{cache}/index3/size": "32M\n"}
    bounds = limits(files=fake_host(tmp_path, _meminfo(GIB_KB) | sizes))
    assert bounds.exceeds_caches(128 << 20)
    assert not bounds.exceeds_caches((128 << 20) - 1)


def test_unknown_caches_are_never_exceeded(tmp_path: Path) -> None:
    assert not limits(files=fake_host(tmp_path, _meminfo(GIB_KB))).exceeds_caches(1 << 60)


@pytest.mark.parametrize(("size", "power"), [(1, 1), (2, 2), (3, 2), (4, 4), (1023, 512)])
def test_powers_of_two(size: int, power: int) -> None:
    assert power_of_two_at_most(size) == power
