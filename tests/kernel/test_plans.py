"""Plans in a real kernel: whose pages move, what is set meanwhile, and that all comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Filter,
    FilterType,
    Quota,
    Scheme,
    Target,
)
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.observe.blocks import memory_blocks
from damon_tuner.kernel_iface.sysfs.observe.memory import memory
from damon_tuner.kernel_iface.sysfs.observe.nodes import tiering, tiers
from damon_tuner.kernel_iface.sysfs.observe.placement import processes_by_node
from damon_tuner.kernel_iface.sysfs.plans import PlanCarrier, nr_node_slots
from damon_tuner.kernel_iface.sysfs.restore import restore
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost
from damon_tuner.kernel_iface.sysfs.tree import Tree

MIB = 1 << 20
MAPPED_BYTES = 32 * MIB
CGROUPS = Path("/sys/fs/cgroup")
TREE = Tree(LocalKernel())
SLOW_BYTES = int(os.environ.get("DAMON_TUNER_GUEST_SLOW_BYTES", "0"))
MOVABLE_BYTES = int(os.environ.get("DAMON_TUNER_GUEST_MOVABLE_BYTES", "0"))
needs_tiers = pytest.mark.skipif(not SLOW_BYTES, reason="this guest has one tier of memory")
needs_blocks = pytest.mark.skipif(not MOVABLE_BYTES, reason="no block can go offline here")

DEMOTE = Scheme(
    Action.MIGRATE_COLD,
    AccessPattern(max_nr_accesses=0, min_age=5),
    Quota(sz_bytes=256 * MIB, reset_interval_ms=500),
    filters=(Filter(FilterType.YOUNG, matching=False, allow=True),),
)
DEMOTES = Plan(demote=DEMOTE)

# Carries a plan out for a process that idles, says so, and waits to be killed.
CARRIER = """
import sys, time
from pathlib import Path
sys.path.insert(0, "tests/kernel")
import test_plans as plans
session = plans.Session(plans.slots(), state_dir=Path(sys.argv[2]))
session.open()
carrier = plans.PlanCarrier(session)
host = plans.managed(session, int(sys.argv[1]))
carrier.add("idler", host, sys.argv[3])
carrier.apply({"idler": plans.Plan(demote=plans.DEMOTE, spare_bytes=64 << 20)})
print("carried", flush=True)
while True:
    time.sleep(0.5)
    carrier.advance()
    print(carrier.offline_bytes, flush=True)
"""


def slots() -> int:
    return 2 + nr_node_slots(TREE, 2)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Room for two tenants; every test leaves everything as it was."""
    before = everything()
    with Session(slots(), state_dir=tmp_path / "state") as session:
        session.open()
        yield session
    assert everything() == before


@pytest.fixture
def carrier(session: Session) -> Iterator[PlanCarrier]:
    carrier = PlanCarrier(session)
    yield carrier
    carrier.stop()


@pytest.fixture
def grouped(spawn_idler: Callable[..., subprocess.Popen[str]]) -> Iterator[Callable[[str], int]]:
    """Start idlers in control groups of their own."""
    groups: dict[Path, subprocess.Popen[str]] = {}

    def spawn(name: str) -> int:
        path = CGROUPS / name
        path.mkdir()
        groups[path] = spawn_idler(path)
        return groups[path].pid

    yield spawn
    for path, process in groups.items():
        process.kill()
        process.wait()
        if path.exists():
            until(lambda path=path: not (path / "cgroup.procs").read_text())
            path.rmdir()


def everything() -> object:
    states = [(block.number, block.state, block.zones) for block in memory_blocks(TREE)]
    return damon_settings(), tiering(TREE), states


def managed(session: Session, pid: int) -> SessionHost:
    host = SessionHost(session, Context(targets=(Target(pid),)))
    host.start(())
    return host


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)


def slow_bytes(pid: int) -> int:
    found = processes_by_node(TREE, [pid])
    return sum(found.get(node, 0) for node in tiers(TREE).slower)


@needs_tiers
def test_only_the_tenants_own_pages_move(session, carrier, grouped):
    tenant, other = grouped("tenant"), grouped("other")
    host = managed(session, tenant)
    carrier.add("tenant", host, "tenant")
    carrier.apply({"tenant": DEMOTES})
    assert tiering(TREE).demotion is True
    until(lambda: slow_bytes(tenant) >= 0.9 * MAPPED_BYTES)
    assert slow_bytes(other) < MIB
    carrier.carry_out()
    seen = carrier.observed("tenant", host.snapshot())
    assert seen.slow_bytes == pytest.approx(slow_bytes(tenant), abs=2 * MIB)
    assert seen.demoted_bytes >= 0.9 * MAPPED_BYTES
    assert seen.fast_total_bytes > seen.fast_free_bytes > 0
    assert (carrier.trouble, dict(carrier.node_trouble)) == ("", {})


@needs_tiers
def test_two_tenants_demote_at_their_own_age(session, carrier, grouped):
    pids = {name: grouped(name) for name in ("soon", "late")}
    for name, pid in pids.items():
        carrier.add(name, managed(session, pid), name)
    late = Plan(demote=Scheme(DEMOTE.action, AccessPattern(max_nr_accesses=0, min_age=60)))
    carrier.apply({"soon": DEMOTES, "late": late})
    began = time.monotonic()
    until(lambda: slow_bytes(pids["soon"]) >= 0.9 * MAPPED_BYTES)
    if time.monotonic() < began + 5.0:  # ages are counted from the start of monitoring
        assert slow_bytes(pids["late"]) < MIB
    # Pages beside those of others that are in use get old later, or never.
    until(lambda: slow_bytes(pids["late"]) >= 0.5 * MAPPED_BYTES)


@needs_tiers
def test_a_process_without_a_group_is_tiered_too(session, carrier, idler):
    host = managed(session, idler.pid)
    carrier.add("idler", host)
    carrier.apply({"idler": DEMOTES})
    if not session.damon.features.has("contexts/0/schemes/0/dests"):
        assert "6.17" in carrier.stats("idler").trouble
        return
    until(lambda: slow_bytes(idler.pid) >= 0.9 * MAPPED_BYTES)
    assert carrier.observed("idler", host.snapshot()).demoted_bytes >= 0.9 * MAPPED_BYTES


@needs_tiers
def test_a_group_that_vanishes_takes_its_schemes_with_it(session, carrier, grouped):
    gone, stays = grouped("gone"), grouped("stays")
    for name, pid in (("gone", gone), ("stays", stays)):
        carrier.add(name, managed(session, pid), name)
    carrier.apply({"gone": DEMOTES, "stays": Plan()})
    os.kill(gone, signal.SIGKILL)
    os.waitpid(gone, 0)
    until(lambda: not (CGROUPS / "gone/cgroup.procs").read_text())
    (CGROUPS / "gone").rmdir()
    carrier.plan("stays", DEMOTES)
    carrier.carry_out()
    assert "gone" in carrier.stats("gone").trouble
    until(lambda: slow_bytes(stays) >= 0.9 * MAPPED_BYTES)
    carrier.remove("gone")
    carrier.carry_out()
    assert dict(carrier.node_trouble) == {}


@needs_blocks
def test_spare_memory_goes_offline_and_comes_back_with_the_plan(session, carrier, idler):
    carrier.add("idler", managed(session, idler.pid))
    total_bytes = memory(TREE).total_bytes
    carrier.apply({"idler": Plan(spare_bytes=64 * MIB)})

    def is_offline() -> bool:
        carrier.advance()
        return carrier.offline_bytes > 0

    until(is_offline)
    assert memory(TREE).total_bytes == total_bytes - carrier.offline_bytes
    carrier.apply({"idler": Plan()})
    assert carrier.offline_bytes == 0
    assert memory(TREE).total_bytes == total_bytes


@needs_tiers
@needs_blocks
def test_a_killed_carrier_leaves_what_restore_puts_back(grouped, tmp_path):
    before, state = everything(), tmp_path / "killed"
    tenant = grouped("tenant")
    command = [sys.executable, "-c", CARRIER, str(tenant), str(state), "tenant"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "carried\n"
        until(lambda: int(process.stdout.readline()) > 0)
        process.kill()
    assert tiering(TREE).demotion is True
    assert everything() != before
    done = restore(LocalKernel(), state, traces=Path("/"))
    assert (done.status, everything() == before) == (0, True), done
