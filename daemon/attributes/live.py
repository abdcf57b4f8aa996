"""Watch one process of this host, and measure what of its idle memory looks alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from damon_tuner.daemon.attributes.report import AttributesReport, Merging, Row, idle_anonymous
from damon_tuner.daemon.attributes.watch import watch
from damon_tuner.errors import TargetGoneError, TunerError
from damon_tuner.kernel_iface.host import Context, Host, Operations, Snapshot
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.observe.alike import alike_pages
from damon_tuner.kernel_iface.sysfs.observe.mappings import (
    Backing,
    Mapping,
    backing_of,
    mappings,
    spans,
)
from damon_tuner.kernel_iface.sysfs.tree import Tree
from damon_tuner.policies.attributes import REPORT_MONITORING, Attributes

_KSM_RUN = "sys/kernel/mm/ksm/run"


def watch_process(
    pid: int,
    *,
    seconds: float,
    interval_s: float,
    max_pages: int,
    state_dir: Path | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> AttributesReport:
    """Report on ``pid``, as root; ``max_pages`` of its pages are read, 0 for none.

    Raises:
        TunerError: there is no such process, or DAMON cannot be had; nothing is changed then.
    """
    tree = Tree(LocalKernel())
    found = mappings(tree, pid)
    if not found:
        raise TargetGoneError(f"process {pid} is gone, or a kernel thread: it has no memory")
    # what is mapped, and not the holes between that DAMON would watch
    context = Context(Operations.FVADDR, REPORT_MONITORING, pid, spans(found))
    host = SysfsHost(context, state_dir=state_dir)

    def look() -> None:
        # after the process's end there would be none
        nonlocal found
        found = mappings(tree, pid) or found
        on_step()

    seen = observe(host, f"process {pid}", seconds=seconds, interval_s=interval_s, on_step=look)
    rows = tuple(
        Row(row.chunk, backing_of(found, row.chunk.start, row.chunk.end)) for row in seen.rows
    )
    merging = _merging(tree, pid, rows, found, max_pages)
    return AttributesReport(
        seen.tenant,
        seen.watched_s,
        seen.nr_snapshots,
        rows,
        seen.features,
        merging,
        seen.ended_early,
    )


def observe(
    host: Host,
    tenant: str,
    *,
    seconds: float,
    interval_s: float,
    on_step: Callable[[], object] = lambda: None,
) -> AttributesReport:
    """Report what the snapshots of any host say, and nothing beside."""
    attributes = Attributes()
    times_us: list[int] = []

    def take(snapshot: Snapshot) -> None:
        attributes.update(snapshot)
        times_us.append(snapshot.time_us)
        on_step()

    ended_early = watch(host, take, seconds=seconds, interval_s=interval_s)
    return AttributesReport(
        tenant,
        # the first snapshot ends the first interval
        (times_us[-1] - times_us[0]) / 1e6 + interval_s,
        len(times_us),
        tuple(Row(chunk, None) for chunk in attributes.ranges()),
        attributes.features(),
        None,
        ended_early,
    )


def _merging(
    tree: Tree, pid: int, rows: tuple[Row, ...], found: tuple[Mapping, ...], max_pages: int
) -> Merging | None:
    if not max_pages:
        return None
    private = [(m.start, m.end) for m in found if m.is_private and m.backing is Backing.ANON]
    pieces = _common(list(idle_anonymous(rows)), private)
    ksm = tree.read_if_present(_KSM_RUN)
    runs = None if ksm is None else ksm == "1"
    try:
        return Merging(alike_pages(tree, pid, pieces, max_pages), ksm_runs=runs)
    except TunerError as error:
        return Merging(None, str(error), runs)


def _common(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The addresses that are in ranges of both."""
    pieces = [(max(s, t), min(e, f)) for s, e in a for t, f in b]
    return [(start, end) for start, end in pieces if start < end]
