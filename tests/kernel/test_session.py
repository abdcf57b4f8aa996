"""Several tenants of one session under a real kernel's DAMON: each a kdamond of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from damon_tuner.errors import DamonMissingError, TargetGoneError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Intervals,
    MonitoringAttrs,
    Operations,
    Probe,
    ProbeFilter,
    ProbeFilterType,
    Quota,
    Scheme,
    Snapshot,
    Target,
)
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost

KDAMONDS = Path("/sys/kernel/mm/damon/admin/kdamonds")
MIB = 1 << 20
MAPPED_BYTES = 32 * MIB
COLD = AccessPattern(min_sz_bytes=4096, max_nr_accesses=0, min_age=10)
PAGEOUT = Scheme(Action.PAGEOUT, COLD, Quota(sz_bytes=64 * MIB, reset_interval_ms=500))

ATTRS = MonitoringAttrs()

Spawn = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Three places; every test leaves DAMON as it was."""
    before = damon_settings()
    with Session(3, state_dir=tmp_path / "state") as session:
        session.open()
        yield session
    assert damon_settings() == before


def managed(session: Session, *pids: int, attrs: MonitoringAttrs = ATTRS) -> SessionHost:
    host = SessionHost(session, Context(attrs=attrs, targets=tuple(map(Target, pids))))
    host.start(())
    return host


def observe_until(
    host: SessionHost, condition: Callable[[Snapshot], bool], seconds: float = 90.0
) -> Snapshot:
    deadline = time.monotonic() + seconds
    while True:
        snapshot = host.snapshot()
        if condition(snapshot) or time.monotonic() > deadline:
            return snapshot
        host.advance(0.2)


def states() -> list[str]:
    return [(KDAMONDS / str(slot) / "state").read_text().strip() for slot in range(3)]


def covered(snapshot: Snapshot) -> int:
    return sum(region.end - region.start for region in snapshot.regions)


def test_each_tenant_has_regions_and_schemes_of_its_own(session: Session, spawn_idler: Spawn):
    first, second = (managed(session, spawn_idler().pid) for _ in range(2))
    for host in (first, second):
        assert covered(observe_until(host, lambda s: covered(s) > MAPPED_BYTES)) > MAPPED_BYTES
    second.apply([PAGEOUT])
    moved = observe_until(second, lambda s: s.swapped_bytes > MAPPED_BYTES // 2)
    assert moved.swapped_bytes > MAPPED_BYTES // 2
    assert first.snapshot().swapped_bytes < MIB
    assert states() == ["on", "on", "off"]


def test_a_place_is_given_to_the_next(session: Session, spawn_idler: Spawn):
    first, second = (managed(session, spawn_idler().pid) for _ in range(2))
    known = observe_until(second, lambda s: max((r.age for r in s.regions), default=0) > 5)
    first.stop()
    assert states() == ["off", "on", "off"]
    third = managed(session, spawn_idler().pid)
    assert states() == ["on", "on", "off"]
    assert covered(observe_until(third, lambda s: covered(s) > MAPPED_BYTES)) > MAPPED_BYTES
    # the one beside it went on as it was
    assert max(r.age for r in second.snapshot().regions) >= max(r.age for r in known.regions)


def test_processes_come_and_go_and_what_is_known_of_the_others_stays(
    session: Session, spawn_idler: Spawn
):
    one, two, three = (spawn_idler() for _ in range(3))
    # DAMON gives a new target its regions when it next looks for changed mappings
    soon = MonitoringAttrs(Intervals(update_us=2_000_000))
    host = managed(session, one.pid, two.pid, attrs=soon)
    both = observe_until(host, lambda s: covered(s) > 2 * MAPPED_BYTES)
    assert covered(both) > 2 * MAPPED_BYTES
    assert both.resident_bytes > 2 * MAPPED_BYTES
    one.kill()
    one.wait()
    host.apply([PAGEOUT])
    assert host.pids == (two.pid,)
    host.retarget([two.pid, three.pid])
    host.apply([PAGEOUT])
    moved = observe_until(host, lambda s: s.swapped_bytes > MAPPED_BYTES * 3 // 2)
    assert moved.swapped_bytes > MAPPED_BYTES * 3 // 2


def test_who_exits_is_gone_and_leaves_the_others(session: Session, spawn_idler: Spawn):
    process = spawn_idler()
    first, second = managed(session, process.pid), managed(session, spawn_idler().pid)
    process.kill()
    process.wait()
    with pytest.raises(TargetGoneError):
        first.snapshot()
    first.stop()
    assert second.snapshot().resident_bytes > MAPPED_BYTES
    second.stop()
    assert states() == ["off"] * 3
    managed(session, spawn_idler().pid)


def test_hits_of_probes_come_by_the_trace_as_by_the_files(tmp_path: Path, spawn_idler: Spawn):
    spawn_idler()
    attrs = MonitoringAttrs(probes=(Probe((ProbeFilter(ProbeFilterType.ANON, True, True),)),))
    seen = {}
    for how in ("trace", "files"):
        with Session(1, state_dir=tmp_path / how, regions_by=how) as session:
            session.open()
            host = SessionHost(session, Context(Operations.PADDR, attrs))
            try:
                host.start(())
            except DamonMissingError as error:
                pytest.skip(str(error))
            seen[how] = observe_until(host, lambda s: any(r.probe_hits[0] for r in s.regions))
    shares = {how: anon_share(snapshot) for how, snapshot in seen.items()}
    assert 0.0 < shares["trace"] < 1.0
    assert shares["trace"] == pytest.approx(shares["files"], abs=0.1)


def anon_share(snapshot: Snapshot) -> float:
    """How much of the memory that was looked at is anonymous."""
    sizes = [region.end - region.start for region in snapshot.regions]
    hits = [region.probe_hits[0] / 20 for region in snapshot.regions]
    return sum(size * share for size, share in zip(sizes, hits, strict=True)) / sum(sizes)
