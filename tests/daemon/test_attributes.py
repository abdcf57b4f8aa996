"""The report of how memory is used: what it says, and that nothing else is changed."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from damon_tuner.daemon.attributes.live import observe
from damon_tuner.daemon.attributes.physical import ByAttribute
from damon_tuner.daemon.attributes.report import AttributesReport, Merging, Row
from damon_tuner.envs.workload_file import Workload
from damon_tuner.errors import DamonMissingError, TargetGoneError
from damon_tuner.kernel_iface.host import Intervals, Region, Scheme, Snapshot
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.kernel_iface.sysfs.observe.alike import Alike
from damon_tuner.kernel_iface.sysfs.observe.mappings import Backing
from damon_tuner.policies.attributes import REPORT_MONITORING, Chunk
from damon_tuner.signals import Stopped

from ..policies.snapshots import MIB, snapshot

SCAN = Workload(
    "scan",
    "scan",
    {"footprint_bytes": (1e9, 1e9), "pass_s": (60.0, 60.0), "hot_share": (0.2, 0.2)},
)


class EndingHost:
    """A simulated host whose snapshots end with an error; it notes what was asked of it."""

    def __init__(self, after: int, error: BaseException) -> None:
        self._sim = SimHost(SCAN.spec(), seed=1, attrs=REPORT_MONITORING)
        self._left, self._error = after, error
        self.schemes: list[tuple[Scheme, ...]] = []
        self.nr_stops = 0

    def start(self, schemes: Sequence[Scheme]) -> None:
        self.schemes.append(tuple(schemes))
        self._sim.start(schemes)

    def advance(self, seconds: float) -> None:
        self._sim.advance(seconds)

    def snapshot(self) -> Snapshot:
        if not self._left:
            raise self._error
        self._left -= 1
        return self._sim.snapshot()

    def apply(self, schemes: Sequence[Scheme]) -> None:
        self.schemes.append(tuple(schemes))

    def stop(self) -> None:
        self.nr_stops += 1


def test_a_simulated_scan_is_to_be_prefetched() -> None:
    host = SimHost(SCAN.spec(), seed=1, attrs=REPORT_MONITORING)
    steps: list[int] = []
    report = observe(host, "scan", seconds=200.0, interval_s=1.0, on_step=lambda: steps.append(1))
    assert len(steps) == report.nr_snapshots == 200
    assert report.watched_s == pytest.approx(200.0)
    swept = [row.chunk for row in report.rows if row.chunk.pattern == "sequential"]
    assert sum(chunk.bytes for chunk in swept) > 0.6 * 1e9
    text = report.text()
    largest = max(swept, key=lambda chunk: chunk.bytes)
    assert largest.reuse_s == pytest.approx(60.0, abs=2.0)
    assert f"swept to higher addresses every {largest.reuse_s:.0f} s" in text
    advice = [each for each in report.advice() if each.kind == "prefetch"]
    assert [each.ranges for each in advice] == [((c.start, c.end),) for c in swept]
    parsed = json.loads(report.json())
    assert parsed["features"]["sequential_share"] > 0.6
    assert len(parsed["ranges"]) == len(report.rows)


@pytest.mark.parametrize("error", [Stopped(), KeyboardInterrupt(), TargetGoneError("gone")])
def test_what_was_seen_is_told_when_the_watch_ends_early(error: BaseException) -> None:
    host = EndingHost(30, error)
    report = observe(host, "scan", seconds=200.0, interval_s=1.0)
    assert report.nr_snapshots == 30
    assert report.ended_early
    assert "ended early" in report.text()
    # no scheme ever ran
    assert host.schemes == [()]
    assert host.nr_stops >= 1


@pytest.mark.parametrize("error", [Stopped(), TargetGoneError("gone"), RuntimeError("no")])
def test_a_watch_that_saw_nothing_is_an_error_and_puts_back(error: BaseException) -> None:
    host = EndingHost(0, error)
    with pytest.raises(type(error)):
        observe(host, "scan", seconds=200.0, interval_s=1.0)
    assert host.nr_stops >= 1


def chunk(at: int, pattern: str, **more: object) -> Chunk:
    values: dict[str, object] = {
        "start": at * MIB,
        "end": (at + 1) * MIB,
        "bytes": MIB,
        "heat": 0.2,
        "pattern": pattern,
        "reuse_s": None,
        "group": None,
        "direction": 0,
    }
    return Chunk(**{**values, **more})  # type: ignore[arg-type]


def report(rows: list[Row], merging: Merging | None = None) -> AttributesReport:
    return AttributesReport("process 1", 10.0, 10, tuple(rows), {}, merging)


def test_groups_are_placed_together_and_what_is_not_mapped_is_left_out() -> None:
    found = report(
        [
            Row(chunk(1, "irregular", group=1, reuse_s=20.0), Backing.ANON),
            Row(chunk(5, "irregular", group=1, reuse_s=20.0), Backing.FILE),
            Row(chunk(7, "irregular", group=2), Backing.UNMAPPED),
            Row(chunk(9, "sequential", direction=-1), Backing.UNMAPPED),
        ]
    )
    (advice,) = found.advice()
    assert advice.kind == "place_together"
    assert advice.ranges == ((MIB, 2 * MIB), (5 * MIB, 6 * MIB))
    assert "every 20 s" in advice.text
    assert "sequential down" in found.text()


def test_duplicates_of_idle_anonymous_memory_are_to_be_merged() -> None:
    rows = [
        Row(chunk(1, "idle", heat=0.0), Backing.ANON),
        Row(chunk(2, "idle", heat=0.0), Backing.FILE),
        Row(chunk(3, "steady"), Backing.ANON),
    ]
    measured = Merging(Alike(256, 256, 100, 3, 10, 40), ksm_runs=False)
    found = report(rows, measured)
    (advice,) = found.advice()
    assert (advice.kind, advice.ranges) == ("merge", ((MIB, 2 * MIB),))
    assert "40%" in advice.text
    assert "100 pages read" in found.text()
    assert "KSM is off" in found.text()
    assert json.loads(found.json())["merging"]["measured"]["duplicate_share"] == 0.4


def test_a_refusal_to_read_pages_is_told() -> None:
    found = report(
        [Row(chunk(1, "idle"), Backing.ANON)], Merging(None, "cannot read: run as root")
    )
    assert "not measured: cannot read: run as root" in found.text()
    assert found.advice() == ()
    assert json.loads(found.json())["merging"]["reason"] == "cannot read: run as root"


def probed(regions: list[tuple[int, int, int, tuple[int, ...]]]) -> Snapshot:
    from dataclasses import replace

    return replace(
        snapshot(1.0, []),
        intervals=Intervals(),
        regions=tuple(Region(s, e, nr, 0, hits) for s, e, nr, hits in regions),
    )


def test_bytes_by_heat_and_attribute_are_means_over_snapshots() -> None:
    sums = ByAttribute(["anonymous", "file"])
    sums.add(probed([(0, 10 * MIB, 20, (20, 0)), (10 * MIB, 30 * MIB, 0, (5, 15))]))
    sums.add(probed([(0, 10 * MIB, 0, (10, 0)), (10 * MIB, 30 * MIB, 0, (5, 15))]))
    by_class = {each.heat_class: each for each in sums.report().classes}
    assert by_class["hot"].bytes == 5 * MIB
    assert by_class["hot"].by_attribute == {"anonymous": 5 * MIB, "file": 0}
    assert by_class["idle"].bytes == 25 * MIB
    assert by_class["idle"].by_attribute == {"anonymous": 7.5 * MIB, "file": 15 * MIB}
    text = sums.report("stopped by a signal").text()
    assert "mean of 2 snapshots" in text
    assert "ended early" in text


def test_a_kernel_that_counts_no_hits_is_an_error() -> None:
    with pytest.raises(DamonMissingError, match="probes"):
        ByAttribute(["anonymous"]).add(probed([(0, MIB, 1, ())]))
