"""``damon-tuner calibrate`` and its figures: this host's constants, and what huge pages give."""

from __future__ import annotations

import datetime
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from damon_tuner import _core
from damon_tuner.benchmarks.figure import Figure, repeated
from damon_tuner.envs.profile_write import check_writable, not_used, write_profile
from damon_tuner.kernel_iface.calibrate import Calibration, Finding, calibrate, limits
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles
from damon_tuner.kernel_iface.calibrate.huge_pages import Comparison, compare, largest_of

_BAR_WIDTH = 24
_NO_SWAP = (
    "no swap to page out to: on this host page-out saves nothing until there is swap or zram"
)


def calibrate_to_file(out: Path, max_mib: int | None, *, quick: bool, as_json: bool) -> None:
    """Measure this host, write its profile to ``out``, and print what was found.

    Raises:
        TunerError: there is too little memory to measure on, or ``out`` cannot be written.

    """
    files = HostFiles()
    bounds = limits(max_mib, quick=quick, files=files)
    check_writable(out)
    defaults = {name: (low, high) for name, low, high, *_ in _core.PROFILE}
    with _progress_bar() as progress:
        calibration = calibrate(bounds, files, defaults, progress)
    write_profile(calibration, out, datetime.date.today())
    lines = _json_lines(calibration) if as_json else _table(calibration, out)
    for line in lines:
        print(line)


def calibrate_figures() -> list[Figure]:
    """What huge pages give random reads here; the plain name is the largest size, one by one."""
    files = HostFiles()
    with _progress_bar() as progress:
        compared, why = compare(limits(files=files), files, progress)
    if why:
        return [Figure("calibrate.huge_page_gain", math.nan, "ratio", {"why": why})]
    largest = largest_of(compared, 1)
    others = [_gain_figure(c, f".{c.label}") for c in compared if c is not largest]
    return [_gain_figure(largest, ""), *others]


def _gain_figure(c: Comparison, suffix: str) -> Figure:
    return repeated(
        f"calibrate.huge_page_gain{suffix}",
        c.gains,
        "ratio",
        size_mib=c.size_bytes >> 20,
        reads_at_a_time=c.chains,
        small_ns=round(sorted(c.small_ns)[len(c.small_ns) // 2], 2),
        huge_ns=round(sorted(c.huge_ns)[len(c.huge_ns) // 2], 2),
    )


def _json_lines(calibration: Calibration) -> Iterator[str]:
    for finding in calibration.findings:
        row = {"name": finding.name, "origin": finding.origin, "how": finding.how}
        more: dict[str, object] = {"value": None}
        if finding.origin != "missing":
            low, high = finding.spread
            more = {"value": finding.median, "min": low, "max": high, "unit": finding.unit}
            more["runs"] = len(finding.values)
        yield json.dumps({**row, **more})


def _table(calibration: Calibration, out: Path) -> Iterator[str]:
    for finding in calibration.findings:
        if finding.origin != "missing":
            yield f"{finding.name:<40} {_value(finding):<36} {finding.origin}: {finding.how}"
    left = tuple(not_used(calibration))
    if left:
        yield "\nFrom the defaults:"
    for name, why in left:
        yield f"{name:<40} {why}"
    yield f"\n{calibration.huge_page_statement}"
    told = {f.name: f.median for f in calibration.findings if f.origin == "read"}
    if told.get("pool_share") == 0.0 and told.get("swap_ratio") == 0.0:
        yield f"There is {_NO_SWAP}."
    yield f"\nprofile {out}"


def _value(finding: Finding) -> str:
    low, high = finding.spread
    spread = f" [{low:.4g}, {high:.4g}]" if low != high else ""
    return f"{finding.median:.4g} {finding.unit}{spread}"


@contextmanager
def _progress_bar() -> Iterator[Callable[[float, str], None]]:
    """A bar on standard error where that is a terminal, whose line is empty afterwards."""
    terminal = sys.stderr.isatty()
    columns = shutil.get_terminal_size().columns

    def show(share: float, what: str) -> None:
        if terminal:
            done = round(share * _BAR_WIDTH)
            bar = f"calibrating [{'#' * done:<{_BAR_WIDTH}}] {what}"
            print(f"\r\033[K{bar[: columns - 1]}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
