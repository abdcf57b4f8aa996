"""Every figure of the daemon: on this machine, and in a real kernel in the guest."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from damon_tuner.benchmarks.daemon.experience import experience_figures
from damon_tuner.benchmarks.daemon.guest_run import guest_figures
from damon_tuner.benchmarks.daemon.here import cost_figures
from damon_tuner.benchmarks.daemon.hostile import hostile_figure
from damon_tuner.benchmarks.daemon.shadow import shadow_figures
from damon_tuner.benchmarks.daemon.soak import soak_figures
from damon_tuner.benchmarks.figure import Figure

DEFAULT_OUT = Path("out/daemon-figures")


def daemon_figures(out: Path = DEFAULT_OUT) -> Iterator[Figure]:
    """Measure them one after another, about half an hour; the guests' results stay in ``out``."""
    yield from cost_figures()
    yield from experience_figures()
    yield hostile_figure()
    yield from shadow_figures()
    yield from soak_figures()
    yield from guest_figures(out, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
