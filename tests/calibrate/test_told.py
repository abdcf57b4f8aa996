"""What the kernel's files say is read as it is meant."""

from pathlib import Path

import pytest

from damon_tuner.kernel_iface.calibrate.told import about_host, findings

from .helpers import by_name, fake_host

THP = "sys/kernel/mm/transparent_hugepage"
SWAPS = "Filename\tType\tSize\tUsed\tPriority\n"
BOTH_SWAPS = f"{SWAPS}/dev/zram0 partition 500 0 100\n/dev/sda2 partition 250 0 5\n"


def _found(tmp_path: Path, files: dict[str, str], name: str) -> tuple[str, tuple[float, ...]]:
    defaults = {"memory_ratio": (1.1, 3.0)}
    finding = by_name(findings(fake_host(tmp_path, files), defaults))[name]
    return finding.origin, finding.values


@pytest.mark.parametrize(
    ("name", "files", "value"),
    [
        ("thp_mode", {f"{THP}/enabled": "[always] madvise never"}, 2.0),
        ("thp_mode", {f"{THP}/enabled": "always [madvise] never"}, 1.0),
        ("thp_mode", {f"{THP}/enabled": "always madvise [never]"}, 0.0),
        ("thp_mode", {}, 0.0),
        (
            "khugepaged_pages_per_s",
            {
                f"{THP}/khugepaged/pages_to_scan": "4096\n",
                f"{THP}/khugepaged/scan_sleep_millisecs": "10000\n",
            },
            409.6,
        ),
        (
            "low_wmark_permille",
            {
                "proc/zoneinfo": "Node 0, zone DMA\n        boost    5\n        low      15\n"
                "        managed  500\n"
                "  node_low 7\nNode 0, zone Normal\n        low      30\n        managed  3500\n"
            },
            10.0,
        ),
        ("memory_block_mib", {"sys/devices/system/memory/block_size_bytes": "8000000\n"}, 128.0),
        ("numa_demotion", {"sys/kernel/mm/numa/demotion_enabled": "true"}, 1.0),
        ("numa_demotion", {}, 0.0),
        (
            "compression_ratio",
            {
                "sys/block/zram0/mm_stat": f"{48 << 20} {16 << 20} 17000000 0 0 0 0 0 0",
                "sys/block/sda/mm_stat": "9 1 1",
            },
            3.0,
        ),
        ("compression_ratio", {"proc/meminfo": "Zswap: 10240 kB\nZswapped: 40960 kB\n"}, 4.0),
        (
            "pool_share",
            {
                "proc/meminfo": "MemTotal: 1000 kB\n",
                "proc/swaps": BOTH_SWAPS,
            },
            0.5,
        ),
        (
            "swap_ratio",
            {
                "proc/meminfo": "MemTotal: 1000 kB\n",
                "proc/swaps": BOTH_SWAPS,
            },
            0.25,
        ),
        ("slow_ratio", {}, 0.0),
    ],
)
def test_a_file_gives_a_parameter(
    tmp_path: Path, name: str, files: dict[str, str], value: float
) -> None:
    assert _found(tmp_path, files, name) == ("read", (pytest.approx(value),))


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("khugepaged_pages_per_s", {f"{THP}/khugepaged/pages_to_scan": "4096"}),
        (
            "khugepaged_pages_per_s",
            {
                f"{THP}/khugepaged/pages_to_scan": "4096",
                f"{THP}/khugepaged/scan_sleep_millisecs": "0",
            },
        ),
        ("low_wmark_permille", {"proc/zoneinfo": "what is this"}),
        ("memory_block_mib", {"sys/devices/system/memory/block_size_bytes": "many"}),
        # a few pages tell nothing, and neither do counters that cannot be
        ("compression_ratio", {"sys/block/zram0/mm_stat": "8192 4096 1 0 0"}),
        ("compression_ratio", {"sys/block/zram0/mm_stat": f"{1 << 30} 0 1"}),
        ("compression_ratio", {"sys/block/zram0/mm_stat": "x y"}),
        (
            "pool_share",
            {
                "proc/meminfo": "MemTotal: 1000 kB\n",
                "proc/swaps": f"{SWAPS}/dev/sda2 partition 250 0 5\n",
                "sys/module/zswap/parameters/enabled": "Y",
            },
        ),
        ("swap_ratio", {}),
    ],
)
def test_what_the_files_do_not_tell_is_missing(
    tmp_path: Path, name: str, files: dict[str, str]
) -> None:
    assert _found(tmp_path, files, name) == ("missing", ())


def test_a_node_without_cpus_is_a_slow_tier(tmp_path: Path) -> None:
    node = "sys/devices/system/node"
    files = {
        f"{node}/has_memory": "0-1\n",
        f"{node}/node0/cpulist": "0-3",
        f"{node}/node0/meminfo": "Node 0 MemTotal: 4000 kB\nNode 0 MemFree: 1 kB\n",
        f"{node}/node1/cpulist": "",
        f"{node}/node1/meminfo": "Node 1 MemTotal: 2000 kB\nNode 1 MemFree: 1 kB\n",
    }
    origin, values = _found(tmp_path, files, "slow_ratio")
    assert origin == "read"
    # half of memory, which is 1.1 to 3 times the footprint
    assert values == pytest.approx((0.55, 1.5))


def test_the_host_is_named(tmp_path: Path) -> None:
    cpuinfo = (
        "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu hypervisor\n\nprocessor : 1\n"
    )
    host = about_host(
        fake_host(tmp_path, {"proc/cpuinfo": cpuinfo, "proc/meminfo": "MemTotal: 2 kB"})
    )
    assert (host["cpu"], host["cpus"], host["virtual"]) == ("Some CPU", 2, True)
    assert host["memory_bytes"] == 2048


def test_a_host_without_any_file_is_still_a_host(tmp_path: Path) -> None:
    assert about_host(fake_host(tmp_path, {}))["cpus"] == 1
    for finding in findings(fake_host(tmp_path, {}), {}):
        assert finding.how
