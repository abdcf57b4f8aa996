"""Memory blocks, clocks and khugepaged follow the plans, and come back."""

from __future__ import annotations

import pytest

from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.kernel_iface.sysfs.observe.huge_pages import KHUGEPAGED
from damon_tuner.kernel_iface.sysfs.plans import PlanCarrier

from ..actors.fake_memory import BLOCK_BYTES, MIB, UNCORE
from .fake_tiers import THP

SPARE = 256 * MIB
CAP = f"{UNCORE}/package_00_die_00/max_freq_khz"


@pytest.fixture
def spared(kernel, add, carrier):
    """A host with 600 MiB free, and a tenant that needs 256 MiB of it online."""
    kernel.free_bytes = 600 * MIB
    kernel.total_bytes = 2048 * MIB
    add("db", 5001)

    def pass_s(seconds: float, filling_bytes_per_s: int = 0, step_s: float = 1.0) -> None:
        for _ in range(round(seconds / step_s)):
            kernel.clock_us += int(step_s * 1e6)
            kernel.free_bytes -= int(filling_bytes_per_s * step_s)
            carrier.advance()

    return pass_s


def offline(kernel) -> int:
    return sum(word == "offline" for word in kernel.states().values())


def test_what_is_spare_goes_offline_a_block_at_a_time(kernel, carrier, spared):
    carrier.apply({"db": Plan(spare_bytes=SPARE)})
    assert offline(kernel) == 0  # nobody knows yet whether the host is calm
    spared(60)
    # one block more than what is to be spare stays
    assert offline(kernel) == 1
    assert kernel.free_bytes == 472 * MIB
    assert carrier.offline_bytes == BLOCK_BYTES
    spared(600)
    assert offline(kernel) == 1


def test_blocks_come_back_before_memory_is_short(kernel, carrier, spared):
    carrier.apply({"db": Plan(spare_bytes=SPARE)})
    spared(60)
    assert carrier.advance() == 1.0
    # it would take two seconds to get there, and half a second more: early enough
    spared(1.0, filling_bytes_per_s=100 * MIB, step_s=0.5)
    assert offline(kernel) == 1
    spared(1.0, filling_bytes_per_s=100 * MIB, step_s=0.5)
    assert offline(kernel) == 0
    assert kernel.free_bytes > SPARE


def test_who_fills_memory_fast_is_looked_at_often(kernel, carrier, spared):
    carrier.apply({"db": Plan(spare_bytes=SPARE)})
    spared(60)
    kernel.free_bytes += 512 * MIB
    kernel.clock_us += 1_000_000
    carrier.advance()
    kernel.free_bytes -= 200 * MIB
    kernel.clock_us += 1_000_000
    wait_s = carrier.advance()
    assert wait_s == pytest.approx(64 / 200, rel=0.01)


def test_the_most_careful_tenant_counts_and_none_puts_back(kernel, add, carrier, spared):
    add("web", 5002)
    carrier.apply({"db": Plan(spare_bytes=SPARE), "web": Plan(spare_bytes=512 * MIB)})
    spared(60)
    assert offline(kernel) == 0
    carrier.remove("web")
    carrier.carry_out()
    spared(60)
    assert offline(kernel) == 1
    carrier.apply({"db": Plan()})
    assert offline(kernel) == 0


def test_what_is_and_could_be_offline_is_seen(kernel, add, carrier, spared):
    host = add("web", 5002)
    seen = carrier.observed("web", host.snapshot())
    assert (seen.offline_bytes, seen.offlinable_bytes) == (0, 4 * BLOCK_BYTES)
    carrier.apply({"web": Plan(spare_bytes=SPARE)})
    spared(60)
    seen = carrier.observed("web", host.snapshot())
    assert (seen.offline_bytes, seen.offlinable_bytes) == (BLOCK_BYTES, 3 * BLOCK_BYTES)


def test_a_host_without_such_blocks_says_so_and_nothing_else_happens(kernel, carrier, spared):
    for number in range(4, 8):
        kernel.files[f"sys/devices/system/memory/memory{number}/valid_zones"] = "Normal"
    carrier.apply({"db": Plan(spare_bytes=SPARE, clock_cap=0.5)})
    spared(10)
    assert "movablecore" in carrier.missing["memory_blocks"]
    assert "no memory clock" in carrier.missing["clocks"]
    assert carrier.trouble == ""


def test_the_highest_cap_counts(kernel, add, carrier):
    folder = CAP.rpartition("/")[0]
    kernel.add_clock(
        folder,
        initial_min_freq_khz=800_000,
        initial_max_freq_khz=2_400_000,
        min_freq_khz=800_000,
        max_freq_khz=2_400_000,
    )
    add("db", 5001)
    add("web", 5002)
    carrier.apply({"db": Plan(clock_cap=0.5), "web": Plan(clock_cap=0.75)})
    for _ in range(10):
        kernel.clock_us += 1_000_000
        carrier.advance()
    assert kernel.files[CAP] == "1800000"
    carrier.stop()
    assert kernel.files[CAP] == "2400000"


@pytest.mark.parametrize(
    ("enabled", "tames", "expected"),
    [
        ("[always] madvise never", False, ("511", "10000")),
        ("[always] madvise never", True, ("64", "60000")),
        ("always [madvise] never", True, ("511", "10000")),
    ],
)
def test_khugepaged_is_left_alone_unless_told_otherwise(
    kernel, session, add, enabled, tames, expected
):
    kernel.files[f"{THP}/enabled"] = enabled
    carrier = PlanCarrier(session, tames_khugepaged=tames)
    carrier.add("db", add("db", 5001))

    def settings() -> tuple[str, str]:
        names = ("max_ptes_none", "scan_sleep_millisecs")
        return tuple(kernel.files[f"{KHUGEPAGED}/{name}"] for name in names)

    carrier.apply({"db": Plan()})
    assert settings() == expected
    carrier.stop()
    assert settings() == ("511", "10000")


def test_groups_that_are_off_cost_nothing(kernel, session, add):
    host = add("db", 5001, "/db")
    carrier = PlanCarrier(session, groups=("reclaim",))
    carrier.add("db", host, "/db")
    before = host.snapshot()
    assert carrier.observed("db", before) == before
    carrier.apply({"db": Plan(spare_bytes=SPARE)})
    assert carrier.missing == {}
    assert carrier.advance() is None


def test_memory_of_a_group_is_seen_at_once_and_of_a_process_now_and_then(kernel, add, carrier):
    kernel.add_cgroup("/db", resident={0: 4096, 1: 64 * 4096})
    group, process = add("db", 5001, "/db"), add("app", 5002)
    seen = carrier.observed("db", group.snapshot())
    assert (seen.slow_bytes, seen.huge_bytes) == (64 * 4096, 800 << 10)
    maps = "7f00 default anon=9 dirty=9 N0=2 N1=5 kernelpagesize_kB=4\n7f10 default file=/a\n"
    kernel.files["proc/5002/numa_maps"] = maps
    kernel.files["proc/5002/smaps_rollup"] = (
        "00-ff ---p 0 00:00 0 [rollup]\nRss: 8 kB\nPss: 8 kB\nAnonHugePages: 4 kB\n"
    )
    seen = carrier.observed("app", process.snapshot())
    assert (seen.slow_bytes, seen.huge_bytes) == (5 * 4096, 4096)
