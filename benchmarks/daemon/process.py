"""A daemon in a process of its own on the fake host; prints what was measured as JSON.

``python -m damon_tuner.benchmarks.daemon.process hour|first``
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from damon_tuner.daemon.light import keep_light

HOUR_S, SAMPLE_S = 3_600.0, 60.0
_AGGREGATION_S = 0.1
_PID = 4242
_TENANT = f'mode = "act"\ninterval = "1s"\n[tenants.web]\npid = {_PID}\n'


def hour() -> None:
    """Take a decision each second of the host's hour; print resident memory minute by minute."""
    from damon_tuner.benchmarks.daemon.harness import harness

    host = harness("daemon.lively_host").LivelyHost(seed=1)
    host.start(_PID, "web.service")
    rss_kib: list[float] = []
    decisions = 0

    def write(line: str) -> None:
        nonlocal decisions
        decisions += " sets " in line

    with tempfile.TemporaryDirectory() as folder:
        daemon = harness("daemon.fake_host").Daemon(Path(folder), host, _TENANT)
        daemon.write = write

        def sample() -> None:
            rss_kib.append(resident_kib())
            daemon.after(SAMPLE_S, sample)

        daemon.after(SAMPLE_S, sample)
        daemon.run(HOUR_S)
    print(json.dumps({"rss_kib": rss_kib, "decisions": decisions}))


def first() -> None:
    """Print a line at the first decision; the host answers as slowly as a kernel does."""
    from damon_tuner.benchmarks.daemon.harness import harness

    host = harness("daemon.fake_host").FakeHost()
    host.before_write = _as_slow_as_a_kernel
    with tempfile.TemporaryDirectory() as folder:
        daemon = harness("daemon.fake_host").Daemon(Path(folder), host, _TENANT)
        daemon.write = _end_at_a_decision
        daemon.run(10.0)


def _as_slow_as_a_kernel(path: str, text: str) -> None:
    """Regions are there once an aggregation interval has passed."""
    if text == "update_schemes_tried_regions":
        time.sleep(_AGGREGATION_S)


def _end_at_a_decision(line: str) -> None:
    if " sets " in line:
        print("decided", flush=True)
        os._exit(0)


def resident_kib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


if __name__ == "__main__":
    keep_light()
    {"hour": hour, "first": first}[sys.argv[1]]()
