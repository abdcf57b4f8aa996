"""Each reader on files as Linux writes them, and on a host that has none of them."""

from __future__ import annotations

import pytest

from damon_tuner.errors import DamonMissingError, KernelFileError
from damon_tuner.kernel_iface.sysfs.observe.blocks import MemoryBlock, memory_blocks
from damon_tuner.kernel_iface.sysfs.observe.cgroup import cgroup, cgroup_mount
from damon_tuner.kernel_iface.sysfs.observe.clocks import clocks
from damon_tuner.kernel_iface.sysfs.observe.counters import counters
from damon_tuner.kernel_iface.sysfs.observe.huge_pages import huge_pages
from damon_tuner.kernel_iface.sysfs.observe.memory import memory
from damon_tuner.kernel_iface.sysfs.observe.nodes import Tiering, nodes, tiering, tiers
from damon_tuner.kernel_iface.sysfs.observe.physical import node_ranges
from damon_tuner.kernel_iface.sysfs.observe.placement import (
    group_by_node,
    group_huge_bytes,
    processes_by_node,
    processes_huge_bytes,
)
from damon_tuner.kernel_iface.sysfs.observe.pressure import (
    Pressure,
    pressure_some_us,
    system_pressure,
)
from damon_tuner.kernel_iface.sysfs.observe.process import process_memory
from damon_tuner.kernel_iface.sysfs.observe.swap import (
    compresses_first,
    disk_swapped_share,
    swap_devices,
    zram_devices,
    zswap,
)
from damon_tuner.kernel_iface.sysfs.observe.zones import high_watermark_bytes

MEMINFO = "MemTotal: 100 kB\nMemFree: 40 kB\nSwapTotal: 30 kB\nSwapFree: 10 kB\n"


def test_a_host_that_has_nothing(tree):
    assert swap_devices(tree) == zram_devices(tree) == nodes(tree) == memory_blocks(tree) == ()
    assert clocks(tree) == ()
    assert zswap(tree) is None
    assert huge_pages(tree) is None
    assert cgroup_mount(tree) is None
    assert system_pressure(tree) is None
    assert process_memory(tree, 1) is None
    assert tiering(tree) == Tiering(demotion=None, promotion=None)
    with pytest.raises(DamonMissingError, match="psi=1"):
        pressure_some_us(tree)
    with pytest.raises(KernelFileError, match="/proc/vmstat is missing"):
        counters(tree)


def test_memory_and_its_compressed_pool(tree, put):
    put({"proc/meminfo": MEMINFO})
    bare = memory(tree)
    assert (bare.total_bytes, bare.free_bytes) == (100 << 10, 40 << 10)
    assert (bare.swap_total_bytes, bare.swap_free_bytes) == (30 << 10, 10 << 10)
    assert bare.pool_bytes == 0
    assert bare.available_bytes is bare.anon_huge_bytes is bare.zswap_pool_bytes is None
    put(
        {
            "proc/meminfo": f"{MEMINFO}Zswap: 2 kB\nZswapped: 6 kB\nAnonHugePages: 8 kB\n",
            "sys/block/zram0/mm_stat": "  4096   64   20480   0   20480   0\n",
        }
    )
    full = memory(tree)
    assert full.pool_bytes == 20480 + 2048
    assert full.zswap_stored_bytes == 6 << 10
    assert full.anon_huge_bytes == 8 << 10


def test_swap_in_the_order_of_use(tree, put):
    put(
        {
            "proc/swaps": "Filename\t\tType\t\tSize\tUsed\tPriority\n"
            "/dev/vda2 partition 2048 0 -2\n/dev/zram0 partition 1024 16 100\n"
            "/swap\\040file file 512 0 -3\n",
            "sys/block/zram0/mm_stat": "  8192   64   4096   0   20480   0\n",
            "sys/block/zram0/disksize": "1048576\n",
            "sys/block/zram0/comp_algorithm": "lzo [lz4] zstd \n",
            "sys/block/zram0/backing_dev": "none\n",
            "sys/block/zram1/size": "0\n",
            "sys/module/zswap/parameters/enabled": "N\n",
            "sys/module/zswap/parameters/compressor": "zstd\n",
            "sys/module/zswap/parameters/max_pool_percent": "20\n",
        }
    )
    first, second, third = swap_devices(tree)
    assert (first.path, first.size_bytes, first.used_bytes) == ("/dev/zram0", 1 << 20, 16 << 10)
    assert [first.is_zram, second.is_zram, third.is_zram] == [True, False, False]
    assert (second.priority, third.kind) == (-2, "file")
    (device,) = zram_devices(tree)
    assert (device.stored_bytes, device.used_bytes, device.size_bytes) == (8192, 4096, 1 << 20)
    assert (device.algorithm, device.backing_device) == ("lz4", None)
    settings = zswap(tree)
    assert settings is not None
    assert (settings.enabled, settings.compressor, settings.max_pool_percent) == (
        False,
        "zstd",
        20,
    )
    assert settings.shrinker is None


ZRAM, DISK = "/dev/zram0 partition 900 300 100\n", "/dev/vda2 partition 900 100 1\n"
FILE = "/zram-no.img file 900 100 200\n"


@pytest.mark.parametrize(
    ("devices", "zswap_kib", "share"),
    [
        ("", 0, 0.0),
        (ZRAM, 0, 0.0),
        (ZRAM + DISK, 0, 0.25),
        (FILE + DISK, 0, 1.0),
        (DISK, 80, 0.2),
        (ZRAM + DISK, 300, 0.0),
    ],
)
def test_what_zram_and_zswap_hold_lies_on_no_disk(tree, put, devices, zswap_kib, share):
    put({"proc/swaps": f"Filename Type Size Used Priority\n{devices}"})
    assert disk_swapped_share(tree, zswap_kib << 10) == share


@pytest.mark.parametrize(
    ("devices", "zswap_on", "stays"),
    [
        ("", "Y", False),
        (DISK, "N", False),
        (DISK, "Y", True),
        (ZRAM + DISK, "N", True),
        (ZRAM + FILE, "N", False),
    ],
)
def test_what_is_compressed_first(tree, put, devices, zswap_on, stays):
    put(
        {
            "proc/swaps": f"Filename Type Size Used Priority\n{devices}",
            "sys/module/zswap/parameters/enabled": zswap_on,
        }
    )
    assert compresses_first(tree) == stays


def test_pressure(tree, put):
    put({"proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"})
    assert system_pressure(tree, "cpu") == Pressure(5, None)
    both = "some avg10=1.50 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0 total=7\n"
    put({"proc/pressure/memory": both})
    assert system_pressure(tree) == Pressure(12, 7)
    assert pressure_some_us(tree) == 12


def test_counters_are_none_where_this_kernel_has_none(tree, put):
    put(
        {
            "proc/vmstat": "pgmajfault 3\npswpout 0\nallocstall_dma 1\nallocstall_normal 5\n"
            "thp_split_page 9\npgdemote_kswapd 2\nworkingset_refault_anon 8\n"
        }
    )
    found = counters(tree)
    assert (found.pgmajfault, found.pswpout, found.thp_split_page) == (3, 0, 9)
    assert (found.pgdemote_kswapd, found.workingset_refault_anon) == (2, 8)
    assert found.allocstall == 6
    assert found.pgpromote_success is None
    put({"proc/vmstat": "pgmajfault 3\n"})
    assert counters(tree).allocstall is None


def node_files(node: int, cpus: str, distance: str) -> dict[str, str]:
    folder = f"sys/devices/system/node/node{node}"
    sizes = {"MemTotal": 1000, "MemFree": 300, "AnonPages": 100, "AnonHugePages": 64 * node}
    rows = (f"Node {node} {name}:      {kib} kB\n" for name, kib in sizes.items())
    return {
        f"{folder}/meminfo": "".join([*rows, f"Node {node} HugePages_Total:     0\n"]),
        f"{folder}/cpulist": f"{cpus}\n",
        f"{folder}/distance": f"{distance}\n",
    }


def test_nodes_and_their_tiers(tree, put):
    folder = "sys/devices/system/node"
    put(
        {
            **node_files(0, "0-1", "10 20 17"),
            **node_files(2, "", "17 28 10"),
            f"{folder}/online": "0-2\n",
            f"{folder}/has_memory": "0,2\n",
            f"{folder}/node2/access0/initiators/read_latency": "250\n",
            f"{folder}/node2/access0/initiators/read_bandwidth": "20000\n",
            "sys/devices/virtual/memory_tiering/memory_tier4/nodelist": "0-1\n",
            "sys/devices/virtual/memory_tiering/memory_tier50/nodelist": "2\n",
            "sys/devices/virtual/memory_tiering/power/control": "auto\n",
            "sys/kernel/mm/numa/demotion_enabled": "true\n",
            "proc/sys/kernel/numa_balancing": "1\n",
        }
    )
    fast, slow = nodes(tree)
    assert (fast.number, slow.number) == (0, 2)
    assert (fast.cpus, slow.cpus) == ((0, 1), ())
    assert (fast.tier, slow.tier) == (4, 50)
    assert fast.distances == {0: 10, 1: 20, 2: 17}
    assert (fast.total_bytes, fast.free_bytes, fast.anon_huge_bytes) == (1000 << 10, 300 << 10, 0)
    assert (slow.anon_bytes, slow.file_bytes) == (100 << 10, None)
    assert (fast.read_latency_ns, slow.read_latency_ns) == (None, 250)
    assert slow.read_bandwidth_mbps == 20_000
    assert tiering(tree) == Tiering(demotion=True, promotion=False)
    put({"proc/sys/kernel/numa_balancing": "3\n"})
    assert tiering(tree).promotion is True


def test_tiers_are_in_order_and_pages_move_to_the_nearest_node(tree, put):
    folder = "sys/devices/system/node"
    tier = "sys/devices/virtual/memory_tiering/memory_tier"
    put(
        {
            **node_files(0, "0", "10 20 17 40"),
            **node_files(1, "1", "20 10 40 17"),
            **node_files(2, "", "17 40 10 50"),
            **node_files(3, "", "40 17 50 10"),
            f"{folder}/online": "0-3\n",
            f"{folder}/has_memory": "0-3\n",
            f"{tier}12/nodelist": "2-3\n",
            f"{tier}4/nodelist": "1\n",  # node 0 is in none, as it is on some kernels
        }
    )
    found = tiers(tree)
    assert (found.fastest, found.slower) == ((0, 1), (2, 3))
    assert [found.demotes_to(node) for node in range(4)] == [2, 3, None, None]
    assert [found.promotes_to(node) for node in range(4)] == [None, None, 0, 1]


def test_a_host_without_tiers_moves_nothing(tree, put):
    folder = "sys/devices/system/node"
    put(
        {
            **node_files(0, "0", "10 20"),
            **node_files(1, "1", "20 10"),
            f"{folder}/has_memory": "0-1\n",
        }
    )
    assert (tiers(tree).fastest, tiers(tree).slower) == ((0, 1), ())
    assert tiers(tree).demotes_to(0) is None


def test_what_reclaim_leaves_free_is_told_by_node(tree, put):
    assert high_watermark_bytes(tree) == {}
    put(
        {
            "proc/zoneinfo": "Node 0, zone      DMA\n  pages free     3840\n        min      67\n"
            "        high     101\n  pagesets\n    cpu: 0\n              high:  300\n"
            "Node 0, zone   Normal\n        high     400\n"
            "Node 1, zone  Movable\n        high     7\n"
        }
    )
    assert high_watermark_bytes(tree) == {0: 501 * 4096, 1: 7 * 4096}


def test_a_node_has_the_ranges_of_its_online_blocks(tree, put):
    assert node_ranges(tree, 0) == ()
    put(
        {
            "sys/devices/system/memory/block_size_bytes": "1000000\n",
            "proc/iomem": "00001000-04ffffff : System RAM\n06000000-06ffffff : x\n",
            **{
                f"sys/devices/system/node/node{node}/memory{number}/state": "\n"
                for node, number in ((0, 0), (1, 1), (0, 2), (0, 3), (0, 4))
            },
            **{
                f"sys/devices/system/memory/memory{number}/state": f"{state}\n"
                for number, state in enumerate(["online", "online", "online", "online", "offline"])
            },
        }
    )
    assert node_ranges(tree, 0) == ((0x1000, 0x1000000), (0x2000000, 0x4000000))
    assert node_ranges(tree, 1) == ((0x1000000, 0x2000000),)


def test_where_memory_of_a_group_and_of_processes_is(tree, put):
    assert group_by_node(tree, "sys/fs/cgroup/db") is None
    assert group_huge_bytes(tree, "sys/fs/cgroup/db") is None
    assert processes_by_node(tree, [1]) == {}
    assert processes_huge_bytes(tree, [1]) == 0
    put(
        {
            "sys/fs/cgroup/db/memory.numa_stat": "anon N0=8192 N1=4096\nfile N0=40960\n"
            "file_mapped N0=4096 N1=0\nanon_thp N0=2097152 N1=0\n",
            "sys/fs/cgroup/db/memory.stat": "anon 1\nanon_thp 2097152\n",
            "proc/7/numa_maps": "7f00 default anon=3 dirty=3 N0=1 N1=2 kernelpagesize_kB=4\n"
            "7f10 default file=/dev/hugepages/N9=9 huge N1=1 kernelpagesize_kB=2048\n",
        }
    )
    assert group_by_node(tree, "sys/fs/cgroup/db") == {0: 12288, 1: 4096}
    assert group_huge_bytes(tree, "sys/fs/cgroup/db") == 2 << 20
    assert processes_by_node(tree, [7, 8]) == {0: 4096, 1: 8192 + (2 << 20)}


STAT = "anon 303104\nfile 4096\nanon_thp 2097152\nworkingset_refault_file 7\nthp_fault_alloc 1\n"


@pytest.mark.parametrize("mount", ["sys/fs/cgroup", "sys/fs/cgroup/unified"])
def test_a_cgroup(tree, put, mount):
    put(
        {
            f"{mount}/cgroup.controllers": "cpuset cpu io memory\n",
            f"{mount}/cgroup.subtree_control": "memory\n",
            f"{mount}/a/b/memory.stat": STAT,
            f"{mount}/a/b/memory.current": "1000\n",
            f"{mount}/a/b/memory.swap.current": "0\n",
            f"{mount}/a/b/memory.max": "max\n",
            f"{mount}/a/b/memory.pressure": "some avg10=0 total=3\nfull avg10=0 total=2\n",
            f"{mount}/cgroup.procs": "",
        }
    )
    found = cgroup_mount(tree)
    assert found is not None
    assert found.path == mount
    assert found.controllers[-1] == "memory"
    assert found.delegated == ("memory",)
    group = cgroup(tree, found, "/a//b/")
    assert group is not None
    assert (group.path, group.memory_bytes, group.swap_bytes) == ("a/b", 1000, 0)
    assert group.zswap_bytes is group.limit_bytes is None
    assert group.pressure == Pressure(3, 2)
    assert (group.sizes.anon, group.sizes.anon_thp, group.sizes.zswap) == (303104, 2 << 20, None)
    assert group.counters.workingset_refault_file == 7
    assert group.counters.workingset_refault_anon is None
    assert group.counters.thp_fault_alloc == 1
    put({f"{mount}/a/b/memory.max": "4096\n"})
    assert cgroup(tree, found, "a/b").limit_bytes == 4096
    assert cgroup(tree, found, "a") is None
    with pytest.raises(ValueError, match="leads out"):
        cgroup(tree, found, "a/../../..")


def test_version_1_is_no_version_2(tree, put):
    put({"sys/fs/cgroup/memory/memory.usage_in_bytes": "5\n"})
    assert cgroup_mount(tree) is None


def test_a_process(tree, put):
    put(
        {
            "proc/7/smaps_rollup": "55-7ffe ---p 00000000 00:00 0    [rollup]\nRss:   1776 kB\n"
            "Pss:  299 kB\nAnonymous: 112 kB\nAnonHugePages: 64 kB\nSwap: 8 kB\nSwapPss: 4 kB\n",
            "proc/8/smaps_rollup": "",
        }
    )
    found = process_memory(tree, 7)
    assert found is not None
    assert (found.resident_bytes, found.proportional_bytes) == (1776 << 10, 299 << 10)
    assert (found.anonymous_bytes, found.anon_huge_bytes) == (112 << 10, 64 << 10)
    assert (found.swapped_bytes, found.proportional_swapped_bytes) == (8 << 10, 4 << 10)
    assert found.shmem_huge_bytes is None
    assert process_memory(tree, 8) is None


def test_huge_pages(tree, put):
    folder = "sys/kernel/mm/transparent_hugepage"
    put(
        {
            f"{folder}/enabled": "[always] madvise never\n",
            f"{folder}/defrag": "always defer defer+madvise [madvise] never\n",
            f"{folder}/hpage_pmd_size": "2097152\n",
            f"{folder}/hugepages-2048kB/enabled": "always [inherit] madvise never\n",
            f"{folder}/hugepages-64kB/enabled": "always inherit madvise [never]\n",
            f"{folder}/khugepaged/pages_to_scan": "4096\n",
            f"{folder}/khugepaged/max_ptes_none": "511\n",
        }
    )
    found = huge_pages(tree)
    assert found is not None
    assert (found.enabled, found.defrag, found.shmem_enabled) == ("always", "madvise", None)
    assert found.sizes == {64 << 10: "never", 2 << 20: "inherit"}
    assert (found.khugepaged.pages_to_scan, found.khugepaged.scan_sleep_ms) == (4096, None)
    assert found.khugepaged.max_ptes_none == 511


def block_files(number: int, state: str, zones: str, *nodes: int) -> dict[str, str]:
    folder = f"sys/devices/system/memory/memory{number}"
    files = {f"{folder}/state": f"{state}\n", f"{folder}/valid_zones": f"{zones}\n"}
    return {**files, **{f"{folder}/node{node}/uevent": "" for node in nodes}}


def test_memory_blocks(tree, put):
    put(
        {
            "sys/devices/system/memory/block_size_bytes": "8000000\n",
            "sys/devices/system/memory/auto_online_blocks": "online\n",
            "sys/devices/system/memory/power/control": "auto\n",
            **block_files(10, "online", "Movable", 1),
            **block_files(2, "offline", "Normal Movable"),
            **block_files(9, "online", "none", 0, 1),
            **block_files(0, "online", "DMA32", 0),
        }
    )
    size = 128 << 20
    assert memory_blocks(tree) == (
        MemoryBlock(0, size, "online", ("DMA32",), 0),
        MemoryBlock(2, size, "offline", ("Normal", "Movable"), None),
        MemoryBlock(9, size, "online", (), None),
        MemoryBlock(10, size, "online", ("Movable",), 1),
    )
    assert [block.movable for block in memory_blocks(tree)] == [False, False, False, True]


def test_clocks_of_memory_and_no_others(tree, put):
    uncore = "sys/devices/system/cpu/intel_uncore_frequency/package_00_die_00"
    put(
        {
            f"{uncore}/max_freq_khz": "2400000\n",
            f"{uncore}/min_freq_khz": "800000\n",
            f"{uncore}/initial_max_freq_khz": "2500000\n",
            f"{uncore}/initial_min_freq_khz": "700000\n",
            "sys/class/devfreq/ff610000.dmc/available_frequencies": "328000000 800000000\n",
            "sys/class/devfreq/ff610000.dmc/max_freq": "800000000\n",
            "sys/class/devfreq/ff610000.dmc/cur_freq": "328000000\n",
            "sys/class/devfreq/ff9a0000.gpu/available_frequencies": "200000000\n",
            "sys/class/devfreq/ff9a0000.gpu/max_freq": "200000000\n",
        }
    )
    first, second = clocks(tree)
    assert (first.kind, first.cap_khz, first.lowest_khz) == ("uncore", 2_400_000, 700_000)
    assert (first.highest_khz, first.current_khz) == (2_500_000, None)
    assert first.cap_path == f"{uncore}/max_freq_khz"
    assert (second.name, second.cap_khz, second.lowest_khz) == ("ff610000.dmc", 800_000, 328_000)
    assert second.current_khz == 328_000
