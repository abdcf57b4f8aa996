"""Whatever a file holds, a reader returns what it says or raises an error that names it."""

from __future__ import annotations

import random

import pytest

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.observe.cgroup import cgroup, cgroup_mount
from damon_tuner.kernel_iface.sysfs.observe.counters import counters, major_faults
from damon_tuner.kernel_iface.sysfs.observe.cpu import cpu_time_us
from damon_tuner.kernel_iface.sysfs.observe.energy import DramEnergy
from damon_tuner.kernel_iface.sysfs.observe.memory import memory
from damon_tuner.kernel_iface.sysfs.observe.physical import system_ram
from damon_tuner.kernel_iface.sysfs.observe.process import process_memory

GROUP = "sys/fs/cgroup/a"
METER = "sys/class/powercap/intel-rapl:0:1"
FILES = {
    "proc/meminfo": "MemTotal: 9 kB\nMemFree: 8 kB\nSwapTotal: 7 kB\nSwapFree: 6 kB\n",
    "proc/vmstat": "pgmajfault 3\nallocstall_dma 1\nallocstall_normal 2\n",
    "proc/stat": "cpu  10 1 2 500 6 3 4 0 0 0\n",
    "proc/iomem": "00001000-0009fbff : System RAM\n",
    "proc/7/smaps_rollup": "1-2 ---p 0 00:00 0 [rollup]\nRss: 4 kB\nPss: 2 kB\n",
    "sys/block/zram0/mm_stat": "1 2 3\n",
    "sys/fs/cgroup/cgroup.controllers": "memory\n",
    f"{GROUP}/memory.stat": "anon 1\npgfault 2\n",
    f"{GROUP}/memory.current": "5\n",
    f"{GROUP}/memory.max": "max\n",
    f"{GROUP}/memory.pressure": "some avg10=0.00 total=1\nfull avg10=0.00 total=0\n",
    f"{METER}/name": "dram\n",
    f"{METER}/energy_uj": "5\n",
    f"{METER}/max_energy_range_uj": "50\n",
}


def group(tree):
    mount = cgroup_mount(tree)
    return mount and cgroup(tree, mount, "a")


READERS = (
    memory,
    counters,
    major_faults,
    cpu_time_us,
    system_ram,
    group,
    lambda tree: process_memory(tree, 7),
    lambda tree: DramEnergy(tree).used_uj(),
)


@pytest.mark.parametrize("path", FILES)
def test_only_errors_that_a_user_can_read(tree, put, tmp_path, path):
    chance = random.Random(path)
    put(FILES)
    assert all(read(tree) is not None for read in READERS)
    good = FILES[path].encode()
    for _ in range(200):
        bad = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(bad))
            bad[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
            bad = bad or bytearray(b"\n")
        (tmp_path / path).write_bytes(bad)
        for read in READERS:
            try:
                read(tree)
            except TunerError as error:
                assert str(error).isprintable()
                assert "/" in str(error)
