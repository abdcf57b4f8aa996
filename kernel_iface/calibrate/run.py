"""Everything that calibration does, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from damon_tuner.kernel_iface.calibrate import (
    bandwidth,
    compression,
    huge_pages,
    nodes,
    page_costs,
    swap,
    told,
)
from damon_tuner.kernel_iface.calibrate.finding import Finding
from damon_tuner.kernel_iface.calibrate.host_files import HostFiles
from damon_tuner.kernel_iface.calibrate.limits import Limits

Progress = Callable[[float, str], None]
"""Called with the share of the work that is done, and what begins."""

_RANDOM_SHARE = 0.7
"""Of the time, for random access."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found on this host; ``huge_page_statement`` says for people what they give."""

    host: Mapping[str, str | int | bool]
    findings: tuple[Finding, ...]
    huge_page_statement: str


def calibrate(
    bounds: Limits,
    files: HostFiles,
    defaults: Mapping[str, tuple[float, float]],
    progress: Progress = lambda share, what: None,
) -> Calibration:
    """Measure this host within ``bounds``; ``defaults`` are the profile's ranges by name.

    Uses memory of this process alone, and gives it back. What cannot be measured is a finding
    that says why.

    Raises:
        TunerError: there is not even memory to measure on.

    """
    progress(0.0, "the kernel's files")
    found = told.findings(files, defaults)
    compared, why = huge_pages.compare(
        bounds, files, lambda share, what: progress(_RANDOM_SHARE * share, what)
    )
    found += huge_pages.findings(compared, why, bounds)
    rest: tuple[tuple[str, Callable[[], list[Finding]]], ...] = (
        ("faults, collapse and split", lambda: page_costs.findings(bounds, files)),
        ("bandwidth", lambda: bandwidth.findings(bounds)),
        ("compression", lambda: compression.findings(bounds)),
        ("swap", lambda: swap.findings(bounds, files)),
        ("memory nodes", lambda: nodes.findings(bounds, files)),
    )
    for i, (what, measure) in enumerate(rest):
        progress(_RANDOM_SHARE + (1 - _RANDOM_SHARE) * i / len(rest), what)
        found += measure()
    progress(1.0, "done")
    return Calibration(told.about_host(files), tuple(found), huge_pages.statement(compared, why))
