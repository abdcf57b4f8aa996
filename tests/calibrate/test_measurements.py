"""Measurements say what they found, and why they found nothing."""

import mmap
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from damon_tuner import _core
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.calibrate import (
    area,
    bandwidth,
    compression,
    huge_pages,
    nodes,
    page_costs,
    swap,
)
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles

from .helpers import SMALL, by_name, fake_host

SWAPS = "Filename\tType\tSize\tUsed\tPriority\n"
NODE = "sys/devices/system/node"
needs_huge = pytest.mark.skipif(
    "[never]" in (HostFiles().text("sys/kernel/mm/transparent_hugepage/enabled") or "[never]"),
    reason="huge pages are off on this host",
)


def test_gains_pair_the_runs() -> None:
    pairs = huge_pages.Comparison(64 << 20, 8, (30.0, 22.0), (20.0, 20.0))
    assert pairs.gains == (1.5, 1.1)
    assert pairs.label == "64_mib.8_at_a_time"
    one = replace(pairs, chains=1)
    assert one.label == "64_mib"
    text = huge_pages.statement([one, pairs], "")
    # the median of 1.5 and 1.1 is 1.3, which saves 1 - 1/1.3
    assert "64 MiB: one after another 23.1% less time (1.30 times as fast, 1.10 to 1.50)" in text
    assert "not be measured: because" in huge_pages.statement([], "because")


def test_the_latency_of_memory_needs_more_than_the_caches_hold() -> None:
    one = huge_pages.Comparison(64 << 20, 1, (9.0, 9.0), (5.0, 7.0))
    bounds = replace(SMALL, last_cache_bytes=16 << 20)
    fast = by_name(huge_pages.findings([one], "", bounds))["fast_ns"]
    assert (fast.median, fast.spread) == (6.0, (5.0, 7.0))
    bounds = replace(SMALL, last_cache_bytes=17 << 20)
    assert by_name(huge_pages.findings([one], "", bounds))["fast_ns"].origin == "missing"
    fast = by_name(huge_pages.findings([one], "none given", bounds))["fast_ns"]
    assert fast.origin == "missing"


def test_huge_pages_that_cannot_be_seen_are_not_measured(tmp_path: Path) -> None:
    compared, why = huge_pages.compare(SMALL, HostFiles(tmp_path))
    assert "does not say" in why
    assert all(c.small_ns and not c.huge_ns for c in compared)
    found = by_name(huge_pages.findings(compared, why, SMALL))
    assert found["huge_page_gain"].origin == "missing"
    assert not any(name.startswith("random_access_ns.huge") for name in found)
    costs = by_name(page_costs.findings(SMALL, HostFiles(tmp_path)))
    assert costs["fault_us"].origin == "measured"
    for name in ("huge_fault_us", "collapse_us", "split_us"):
        assert costs[name].origin == "missing"


def test_huge_pages_that_were_not_given_are_not_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(area._ADVICE, "huge", mmap.MADV_NOHUGEPAGE)
    compared, why = huge_pages.compare(SMALL, HostFiles())
    assert "gave huge pages for 0 of 8 MiB" in why
    assert not any(c.huge_ns for c in compared)
    found = by_name(page_costs.findings(SMALL, HostFiles()))
    assert "0 of 8 MiB" in found["huge_fault_us"].how
    assert "0 of 8 MiB" in found["split_us"].how


@needs_huge
def test_huge_pages_that_were_given_are() -> None:
    compared, why = huge_pages.compare(SMALL, HostFiles())
    assert why == ""
    assert [c.size_bytes >> 20 for c in compared] == [2, 2, 8, 8]
    assert all(len(c.gains) == SMALL.repeats for c in compared)


def test_a_kernel_without_the_advice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_costs, "_MADV_COLLAPSE", 9999)
    found = by_name(page_costs.findings(SMALL, HostFiles()))
    assert "refused" in found["collapse_us"].how


def test_other_page_sizes_are_not_taken_for_4_kib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_costs.mmap, "PAGESIZE", 65536)
    found = by_name(page_costs.findings(SMALL, HostFiles()))
    assert "65536" in found["fault_us"].how


def test_bandwidth_needs_more_than_the_caches_hold() -> None:
    found = by_name(bandwidth.findings(SMALL))
    assert {finding.origin for finding in found.values()} == {"missing"}
    found = by_name(bandwidth.findings(replace(SMALL, last_cache_bytes=1 << 20)))
    assert 0.1 < found["fast_gbps"].median < 10_000


def test_a_signal_between_two_threads_does_not_leave_the_first_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted(ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Any:
            if self._threads:
                raise KeyboardInterrupt
            return super().submit(*args, **kwargs)

    monkeypatch.setattr(bandwidth, "ThreadPoolExecutor", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        bandwidth.copy_gbps(2, 2 << 20)


def test_compression_is_of_pages_that_hold_something() -> None:
    found = by_name(compression.findings(SMALL))
    assert found["page_compression_ratio"].median > 1.0
    assert 0.0 <= found["page_incompressible_share"].median <= 1.0
    assert min(found[f"page_{what}_us"].median for what in ("compress", "decompress")) > 0.0


@pytest.mark.parametrize("size", [1 << 62, 1 << 70])
def test_memory_that_cannot_be_had_is_one_line(size: int) -> None:
    with pytest.raises(TunerError, match="give a lower --max-mib"):
        area.Area(size, "small")


def test_a_host_without_swap_says_so(tmp_path: Path) -> None:
    found = by_name(swap.findings(SMALL, fake_host(tmp_path, {"proc/swaps": SWAPS})))
    assert set(found) == {"compressed_in_us", "swap_in_us", "page_out_us"}
    assert {finding.how for finding in found.values()} == {"this host has no swap"}


@pytest.mark.parametrize(
    ("devices", "zswap", "measured"),
    [
        (
            "/dev/sda2 partition 100 0 -2\n/dev/zram0 partition 100 0 100\n",
            "N",
            "compressed_in_us",
        ),
        ("/dev/sda2 partition 100 0 5\n/dev/zram0 partition 100 0 1\n", "N", "swap_in_us"),
        ("/dev/sda2 partition 100 0 5\n", "Y", "compressed_in_us"),
        ("/dev/sda2 partition 100 0 5\n", "", "swap_in_us"),
    ],
)
def test_a_fault_is_measured_for_the_place_that_pages_go_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: str, zswap: str, measured: str
) -> None:
    files = {"proc/swaps": SWAPS + devices}
    if zswap:
        files["sys/module/zswap/parameters/enabled"] = zswap
    monkeypatch.setattr(swap, "measure_swap_in_us", lambda: 7.5)
    monkeypatch.setattr(swap, "_page_out_us", lambda area, files: 2.0)
    found = by_name(swap.findings(SMALL, fake_host(tmp_path, files)))
    assert found[measured].values == (7.5, 7.5)
    assert found["page_out_us"].median == 2.0
    (other,) = {"compressed_in_us", "swap_in_us"} - {measured}
    assert measured in found[other].how


def test_a_kernel_that_pages_nothing_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> float:
        raise TunerError("it cannot be measured: give it with --swap-in-us")

    monkeypatch.setattr(swap, "measure_swap_in_us", refuse)
    files = fake_host(tmp_path, {"proc/swaps": f"{SWAPS}/dev/sda2 partition 100 0 5\n"})
    found = by_name(swap.findings(SMALL, files))
    assert found["swap_in_us"].how == "it cannot be measured"
    assert found["page_out_us"].how == "the kernel paged out too little"


def _two_nodes(tmp_path: Path, cpus_of_second: str = "") -> HostFiles:
    files = {f"{NODE}/has_memory": "0-1\n"}
    for number, cpus in ((0, "0-1023"), (1, cpus_of_second)):
        files[f"{NODE}/node{number}/cpulist"] = cpus
        files[f"{NODE}/node{number}/meminfo"] = (
            f"Node {number} MemTotal: 900000 kB\nNode {number} MemFree: 800000 kB\n"
        )
    return fake_host(tmp_path, files)


BOUNDS = replace(SMALL, last_cache_bytes=1 << 20)


def test_one_node_has_no_tiers(tmp_path: Path) -> None:
    found = by_name(nodes.findings(SMALL, HostFiles(tmp_path)))
    assert {finding.how for finding in found.values()} == {"this host has one node of memory"}


def test_memory_that_a_node_does_not_give_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(memory: object, node: int) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(_core, "bench_bind_node", refuse)
    before = os.sched_getaffinity(0)
    found = by_name(nodes.findings(BOUNDS, _two_nodes(tmp_path)))
    assert found["slow_ns"].origin == "missing"
    assert "allow it in the cpuset" in found["slow_ns"].how
    assert os.sched_getaffinity(0) == before


def test_a_slow_tier_is_measured_on_the_node_without_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound, moved = [], []

    def move(memory: memoryview, unit: int, node: int) -> tuple[int, int]:
        moved.append(node)
        nr = len(memory) // unit
        return nr * (3_000 if unit == 4096 else 200_000), nr

    monkeypatch.setattr(_core, "bench_bind_node", lambda memory, node: bound.append(node))
    monkeypatch.setattr(_core, "bench_move_pages", move)
    found = by_name(nodes.findings(BOUNDS, _two_nodes(tmp_path)))
    assert found["slow_ns"].values == found["node_ns.1"].values
    assert "node 1" in found["slow_gbps"].how
    assert found["migrate_page_us"].median == pytest.approx(3.0)
    assert found["migrate_huge_us"].median == pytest.approx(200.0)
    assert bound.count(0) == 1
    assert moved[-4:] == [1, 0, 1, 0]


def test_two_sockets_are_no_slow_tier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_core, "bench_bind_node", lambda memory, node: None)
    found = by_name(nodes.findings(BOUNDS, _two_nodes(tmp_path, cpus_of_second="1024-1030")))
    assert found["slow_ns"].how == "every node has CPUs"
    assert {"node_ns.0", "node_ns.1", "migrate_page_us"} <= set(found)


def test_a_page_that_did_not_move_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stay(memory: memoryview, unit: int, node: int) -> tuple[int, int]:
        return 1, len(memory) // unit - 1 if node >= 0 else len(memory) // unit

    monkeypatch.setattr(_core, "bench_bind_node", lambda memory, node: None)
    monkeypatch.setattr(_core, "bench_move_pages", stay)
    found = by_name(nodes.findings(BOUNDS, _two_nodes(tmp_path)))
    assert "the kernel moved 2047 of 2048 pages" in found["migrate_page_us"].how


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", set()), ("0", {0}), ("0-2,8", {0, 1, 2, 8}), ("x,3,5-", {3, 5}), ("2-1", set())],
)
def test_the_kernels_lists_are_read(text: str, numbers: set[int]) -> None:
    assert nodes._listed(text) == numbers
