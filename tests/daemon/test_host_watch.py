"""Trouble of the whole host is seen, named, and gone when it is over."""

from __future__ import annotations

import pytest

from damon_tuner.daemon.config import Breaker
from damon_tuner.daemon.host_watch import HostWatch
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .fake_host import FakeHost

NODE = "sys/devices/system/node"
TIERS = "sys/devices/virtual/memory_tiering"


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def watching(host: FakeHost, limits: Breaker | None = None) -> HostWatch:
    watch = HostWatch(Tree(host), limits or Breaker())
    host.clock_us = 1_000_000
    assert watch.look() == ()
    host.clock_us += 5_000_000
    return watch


def pressure(host: FakeHost, some_us: int) -> None:
    host.files["proc/pressure/memory"] = f"some avg10=0 avg60=0 avg300=0 total={1234 + some_us}"


def test_a_quiet_host_trips_nothing(host):
    watch = watching(host)
    assert watch.look() == ()
    assert watch.status.memory_total_bytes == 512 << 20
    assert watch.status.pressure == 0.0


@pytest.mark.parametrize(("share", "tripped"), [(0.2, ()), (0.3, ("pressure",))])
def test_pressure(host, share, tripped):
    watch = watching(host)
    pressure(host, int(share * 5_000_000))
    assert watch.look() == tripped
    assert watch.status.pressure == pytest.approx(share)


def test_a_host_may_bear_less_pressure(host):
    watch = watching(host, Breaker(max_pressure=0.05))
    pressure(host, 500_000)
    assert watch.look() == ("pressure",)


def test_swap_that_is_almost_full(host):
    watch = watching(host)
    host.files["proc/meminfo"] = host.files["proc/meminfo"].replace("500000", "20000")
    assert watch.look() == ("swap",)
    host.files["proc/meminfo"] = host.files["proc/meminfo"].replace("20000", "500000")
    assert watch.look() == ()


def test_a_refault_storm(host):
    watch = watching(host)
    host.files["proc/vmstat"] = f"workingset_refault_anon {5 * 50_001}"
    assert watch.look() == ("refaults",)
    host.clock_us += 5_000_000
    assert watch.look() == ()


def with_nodes(host: FakeHost, *free_kib: int) -> None:
    host.files[f"{NODE}/online"] = host.files[f"{NODE}/has_memory"] = f"0-{len(free_kib) - 1}"
    for node, free in enumerate(free_kib):
        host.files[f"{NODE}/node{node}/meminfo"] = (
            f"Node {node} MemTotal: 1000000 kB\nNode {node} MemFree: {free} kB\n"
        )
        host.files[f"{TIERS}/memory_tier{4 + 20 * node}/nodelist"] = str(node)


def test_a_fast_node_that_is_almost_full(host):
    watch = watching(host)
    with_nodes(host, 900, 500_000)
    assert watch.look() == ("fast_node",)
    with_nodes(host, 500_000, 900)
    assert watch.look() == ()


def test_where_all_memory_is_alike_no_node_is_the_fast_one(host):
    """Page cache fills the memory of a healthy host."""
    watch = watching(host)
    with_nodes(host, 900)
    assert watch.look() == ()
