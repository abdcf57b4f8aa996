"""Files of a host that has everything, as Linux 7.3 writes them."""

from __future__ import annotations

from pathlib import Path

_NODE = "sys/devices/system/node"
_BLOCKS = "sys/devices/system/memory"
_THP = "sys/kernel/mm/transparent_hugepage"
_UNCORE = "sys/devices/system/cpu/intel_uncore_frequency/package_00_die_00"
_DRAM = "sys/class/powercap/intel-rapl:0:1"
_MODULES = "sys/module"
KDAMONDS = "sys/kernel/mm/damon/admin/kdamonds"

NUMBERS = {
    f"{KDAMONDS}/nr_kdamonds": "0\n",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=999\n",
    "proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    "/dev/zram0                              partition\t1048572\t\t1024\t\t100\n",
    "sys/block/zram0/mm_stat": "    4096       64    20480        0    20480  0  0  0  0\n",
    "sys/block/zram0/disksize": "1073741824\n",
    "sys/block/zram0/comp_algorithm": "[lz4] lz4hc zstd deflate \n",
    f"{_MODULES}/zswap/parameters/enabled": "N\n",
    f"{_MODULES}/zswap/parameters/max_pool_percent": "20\n",
    f"{_MODULES}/zswap/parameters/shrinker_enabled": "N\n",
    f"{_NODE}/has_memory": "0-1\n",
    f"{_NODE}/online": "0-1\n",
    f"{_NODE}/node0/meminfo": "Node 0 MemTotal:  1048576 kB\nNode 0 MemFree:  900000 kB\n",
    f"{_NODE}/node0/cpulist": "0-1\n",
    f"{_NODE}/node0/distance": "10 20\n",
    f"{_NODE}/node1/meminfo": "Node 1 MemTotal:  1048576 kB\nNode 1 MemFree:  900000 kB\n",
    f"{_NODE}/node1/distance": "20 10\n",
    f"{_NODE}/node1/access0/initiators/read_latency": "250\n",
    "sys/devices/virtual/memory_tiering/memory_tier4/nodelist": "0\n",
    "sys/devices/virtual/memory_tiering/memory_tier50/nodelist": "1\n",
    "sys/kernel/mm/numa/demotion_enabled": "true\n",
    "proc/sys/kernel/numa_balancing": "0\n",
    f"{_THP}/enabled": "always [madvise] never\n",
    f"{_THP}/defrag": "always defer defer+madvise [madvise] never\n",
    f"{_THP}/hpage_pmd_size": "2097152\n",
    f"{_THP}/hugepages-64kB/enabled": "always inherit madvise [never]\n",
    f"{_THP}/khugepaged/pages_to_scan": "4096\n",
    f"{_BLOCKS}/block_size_bytes": "8000000\n",
    f"{_UNCORE}/max_freq_khz": "2400000\n",
    f"{_UNCORE}/initial_max_freq_khz": "2400000\n",
    f"{_UNCORE}/initial_min_freq_khz": "800000\n",
    f"{_DRAM}/energy_uj": "123456\n",
    f"{_DRAM}/max_energy_range_uj": "65712999613\n",
}
"""Files of which nothing can be made when they hold garbage."""

WORDS = {
    "proc/sys/kernel/osrelease": "7.3.4\n",
    "proc/self/status": "Name:\tpython\nUid:\t0\t0\t0\t0\n",
    "proc/self/uid_map": "         0          0 4294967295\n",
    "proc/self/mounts": "proc /proc proc rw 0 0\nsysfs /sys sysfs rw,relatime 0 0\n",
    f"{_MODULES}/damon_stat/parameters/enabled": "Y\n",
    f"{_MODULES}/damon_reclaim/parameters/enabled": "N\n",
    f"{_MODULES}/damon_lru_sort/parameters/enabled": "N\n",
    f"{_MODULES}/zswap/parameters/compressor": "lzo\n",
    "sys/block/zram0/backing_dev": "none\n",
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
    "sys/fs/cgroup/cgroup.subtree_control": "cpu io memory pids\n",
    f"{_BLOCKS}/memory0/state": "online\n",
    f"{_BLOCKS}/memory0/valid_zones": "Normal\n",
    f"{_BLOCKS}/memory0/node0/uevent": "",
    f"{_BLOCKS}/memory1/state": "online\n",
    f"{_BLOCKS}/memory1/valid_zones": "Movable\n",
    f"{_BLOCKS}/memory2/state": "offline\n",
    f"{_DRAM}/name": "dram\n",
    "sys/kernel/tracing/events/damon/damon_aggregated/enable": "0\n",
    "sys/kernel/tracing/events/damon/enable": "0\n",
}
"""Files that may hold a word that nobody has heard of."""

GOOD_HOST = {**NUMBERS, **WORDS}


def make_root(root: Path) -> Path:
    """Write the files below ``root``."""
    for path, text in GOOD_HOST.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root
