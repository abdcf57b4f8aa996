"""The part of the recorder that runs inside the guest: plays patterns and keeps DAMON's trace.

For each job it leaves in ``$DAMON_TUNER_OUT``: ``JOB.trace``, the pages of the trace buffers as
the kernel filled them; ``JOB.rates``, what the load says of its accesses; and ``JOB.json``, the
rest. Nothing is worked out here, because the guest has no NumPy and its time is expensive.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from damon_tuner.benchmarks.fidelity.schemes import GOAL_TARGET, GOAL_VALUES, SCHEMES
from damon_tuner.kernel_iface.host import Context, MonitoringAttrs, Operations
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.tracing import AggregationReader, TraceInstance, records_of
from damon_tuner.kernel_iface.tracing.aggregations import EVENT

TRACE_EVENTS = (EVENT, "damon/damos_esz", "damon/damos_stat_after_apply_interval")
ATTRS = MonitoringAttrs(max_nr_regions=200)
_BUFFER_BYTES = 16 << 20
_DRAIN_S = 1.0
_PAGE_BYTES = 4096
_BALLAST_BYTES = 128 << 20
_PFN_MASK = (1 << 55) - 1
_PRESENT = 1 << 63
_KDAMOND = Path("/sys/kernel/mm/damon/admin/kdamonds/0")


@dataclass(frozen=True, slots=True)
class Job:
    """One recording: a pattern, watched as ``operations`` says, with a scheme or none."""

    name: str
    pattern: str
    operations: str
    seconds: float
    scheme: str | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """The running load: where its memory is, and pages beside it that it uses all the time."""

    pid: int
    start: int
    end: int
    own_pages: tuple[int, ...]

    @property
    def nr_pages(self) -> int:
        """Of its memory."""
        return (self.end - self.start) // _PAGE_BYTES


@contextmanager
def running(
    program: Path, pattern: Path, rates: Path, before: Callable[[], None] | None = None
) -> Iterator[Load]:
    """A load that has its memory and waits to be let go; it is ended on leaving.

    ``before`` is called in its process before that is the load's.
    """
    command = [str(program), str(pattern), str(rates)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=before
    ) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        if words[:1] != ["ready"]:
            sys.exit(f"the load does not run with {pattern}")
        own = sorted({int(word) // _PAGE_BYTES * _PAGE_BYTES for word in words[3:]})
        try:
            yield Load(process.pid, int(words[1]), int(words[2]), tuple(own))
        finally:
            process.kill()


class UserGoal:
    """A goal of scheme 0 whose current value the user tells, as the values' timetable says."""

    _QUOTA = _KDAMOND / "contexts/0/schemes/0/quotas"

    def __init__(self) -> None:
        self.value = -1
        (self._QUOTA / "goals/nr_goals").write_text("1")
        self._goal = self._QUOTA / "goals/0"
        (self._goal / "target_metric").write_text("user_input")
        (self._goal / "target_value").write_text(str(GOAL_TARGET))
        self.set_for(0.0)

    def set_for(self, elapsed_s: float) -> None:
        """Tell the kernel the value for this moment, unless it has it."""
        value = [value for at_s, value in GOAL_VALUES if at_s <= elapsed_s][-1]
        if value != self.value:
            (self._goal / "current_value").write_text(str(value))
            (_KDAMOND / "state").write_text("commit_schemes_quota_goals")
        self.value = value


def record(job: Job, files: Path, out: Path) -> None:
    """Run one job and leave its files in ``out``."""
    operations = Operations(job.operations)
    with (
        running(files / "load", files / job.pattern, out / f"{job.name}.rates") as load,
        TraceInstance(TRACE_EVENTS, buffer_bytes=_BUFFER_BYTES, overwrite=False) as trace,
    ):
        pid = load.pid if operations is Operations.VADDR else None
        # A trace of the host's own would take the place of the one that is recorded.
        with SysfsHost(Context(operations, ATTRS, pid), regions_by="files") as host:
            host.start(SCHEMES[job.scheme] if job.scheme else ())
            goal = UserGoal() if job.scheme == "pageout_goal" else None
            started_ns = time.monotonic_ns()
            os.kill(load.pid, signal.SIGUSR1)
            kdamond = int((_KDAMOND / "pid").read_text())
            samples, pages = _watch(job, trace, load, goal)
            cpu_s = _cpu_s(kdamond)
        if operations is Operations.VADDR:
            _require_sight(job, load, trace, pages, kdamond)
        about = {
            **_setup(job, files / job.pattern),
            **_places(load),
            "formats": {event: trace.format_text(event) for event in TRACE_EVENTS},
            "started_ns": started_ns,
            "kdamond_pid": kdamond,
            "kdamond_cpu_s": cpu_s,
            "lost_events": trace.lost_events,
            "samples": samples,
        }
    (out / f"{job.name}.trace").write_bytes(b"".join(page.ljust(_PAGE_BYTES) for page in pages))
    (out / f"{job.name}.json").write_text(json.dumps(about))
    share = cpu_s / job.seconds
    print(f"{job.name}: {len(pages)} pages, kdamond took {share:.1%} of a CPU", flush=True)


def _setup(job: Job, pattern: Path) -> dict[str, Any]:
    """What was asked for, and of which kernel."""
    words = next(line for line in pattern.read_text().splitlines() if line.startswith("map "))
    return {
        "pattern": job.pattern,
        **{kind: kind in words.split() for kind in ("huge", "unfilled")},
        "operations": job.operations,
        "scheme": job.scheme,
        "seconds": job.seconds,
        "kernel": os.uname().release,
        "min_nr_regions": ATTRS.min_nr_regions,
        "max_nr_regions": ATTRS.max_nr_regions,
        "sample_us": ATTRS.intervals.sample_us,
        "aggr_us": ATTRS.intervals.aggr_us,
    }


def _places(load: Load) -> dict[str, Any]:
    """Where everything is: of the load by virtual and physical page, and of the machine."""
    return {
        "memory": [load.start, load.end],
        "physical_runs": _physical_runs(load),
        "own_pages": [[page, *_frames(load.pid, page, 1)] for page in load.own_pages],
        "system_ram": _system_ram(),
    }


def _watch(
    job: Job, trace: TraceInstance, load: Load, goal: UserGoal | None
) -> tuple[list[dict[str, int]], list[bytes]]:
    """Empty the trace buffers in the end; beside a scheme, look at it and at memory meanwhile.

    Whoever looks uses memory, which shows where all physical memory is monitored.
    """
    pages: list[bytes] = []
    samples = []
    start_ns = time.monotonic_ns()
    end_ns = start_ns + int(job.seconds * 1e9)
    while (left_s := (end_ns - time.monotonic_ns()) * 1e-9) > 0:
        time.sleep(min(_DRAIN_S, left_s) if job.scheme else left_s)
        pages.extend(trace.pages())
        if goal:
            goal.set_for((time.monotonic_ns() - start_ns) * 1e-9)
        value = goal.value if goal else 0
        samples.append(
            {"time_ns": time.monotonic_ns(), **_memory_of(load.pid), "goal_value": value}
        )
    return samples, pages


def _require_sight(
    job: Job, load: Load, trace: TraceInstance, pages: list[bytes], kdamond: int
) -> None:
    """Leave, with a word, unless DAMON saw hot memory where the stationary load has it."""
    if job.pattern != "stationary.txt":
        return
    reader = AggregationReader(trace.format(EVENT), kdamond)
    records = (record for page in pages for record in records_of(memoryview(page), trace.layout))
    hot_start, hot_end = load.start + (32 << 20), load.start + (48 << 20)
    hottest = [
        region
        for aggregation in reader.feed(records)[-10:]
        for region in aggregation.regions
        if region.nr_accesses >= 5
    ]
    inside = sum(r.end - r.start for r in hottest if hot_start <= r.start and r.end <= hot_end)
    total = sum(r.end - r.start for r in hottest)
    if total < 10 * (4 << 20) or inside < 0.8 * total:
        sys.exit(f"DAMON is blind here: {inside} of {total} hot bytes are where the load's are")


def _memory_of(pid: int) -> dict[str, int]:
    status = Path(f"/proc/{pid}/status").read_text()
    kib = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if "kB" in line}
    faults = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[9]
    return {
        "resident_bytes": int(kib["VmRSS"]) << 10,
        "swapped_bytes": int(kib["VmSwap"]) << 10,
        "major_faults": int(faults),
    }


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _physical_runs(load: Load) -> list[list[int]]:
    """Where the load's pages are: (page of its memory, physical page, number of pages)."""
    runs: list[list[int]] = []
    for page, frame in enumerate(_frames(load.pid, load.start, load.nr_pages)):
        if frame == 0:
            continue
        last = runs[-1] if runs else [0, 0, 0]
        if last[0] + last[2] == page and last[1] + last[2] == frame:
            last[2] += 1
        else:
            runs.append([page, frame, 1])
    return runs


def _frames(pid: int, start: int, nr_pages: int) -> list[int]:
    """Physical pages of virtual ones; 0 where there is none."""
    with open(f"/proc/{pid}/pagemap", "rb") as pagemap:
        pagemap.seek(start // _PAGE_BYTES * 8)
        entries = array("Q", pagemap.read(nr_pages * 8))
    return [entry & _PFN_MASK if entry & _PRESENT else 0 for entry in entries]


def _system_ram() -> list[list[int]]:
    ranges = []
    for line in Path("/proc/iomem").read_text().splitlines():
        if line.endswith(": System RAM") and not line.startswith(" "):
            start, end = line.split(" ")[0].split("-")
            ranges.append([int(start, 16), int(end, 16) + 1])
    return ranges


@contextmanager
def fragments_taken() -> Iterator[None]:
    """Hold the small pieces of free memory, so that the load gets the large ones.

    What boot leaves free is in pieces of a few pages. A process that starts on it has every page
    somewhere else, and physical monitoring has nothing to see but noise.
    """
    with mmap.mmap(-1, _BALLAST_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as ballast:
        ballast.madvise(mmap.MADV_NOHUGEPAGE)
        for at in range(0, _BALLAST_BYTES, _PAGE_BYTES):
            ballast[at] = 1
        yield


def main() -> None:
    """Run the jobs that the command line holds as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=Path, required=True)
    parser.add_argument("--jobs", required=True)
    args = parser.parse_args()
    out = Path(os.environ["DAMON_TUNER_OUT"])
    described: list[dict[str, Any]] = json.loads(args.jobs)
    with fragments_taken():
        for words in described:
            record(Job(**words), args.files, out)


if __name__ == "__main__":
    main()
