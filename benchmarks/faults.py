"""How many faults of the kernel a run survives: each kind at each place, on the fake kernel."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Sequence

from damon_tuner.benchmarks.figure import Figure
from damon_tuner.errors import TunerError

_HARNESS = "tests.sysfs.faults"


def fault_figures() -> Sequence[Figure]:
    """Strike every access of a run; a fault is survived when nothing at all is wrong after it.

    Raises:
        TunerError: this is not run in the project's folder, whose tests have the fake kernel.
    """
    try:
        harness = importlib.import_module(_HARNESS)
    except ModuleNotFoundError as error:
        raise TunerError(
            f"{error.name} is missing: run python -m damon_tuner figures faults in the folder of "
            "this project"
        ) from error
    struck, survived = 0, 0
    places: set[tuple[str, int]] = set()
    outcomes: Counter[str] = Counter()
    failed: list[str] = []
    for context, nth, kind, run in harness.every_fault():
        struck += 1
        places.add((context, nth))
        survived += not run.wrong
        outcomes["an error" if run.raised else "nothing noticed"] += 1
        if run.wrong:
            failed.append(f"{kind} at {context} {nth} ({run.struck}): {run.wrong[0]}")
    more = {
        "faults": struck,
        "places": len(places),
        "kinds": len(harness.FAULTS),
        "told_as_an_error": outcomes["an error"],
        "failed": failed[:10],
    }
    return [Figure("sysfs.faults.survived", survived / struck, "share", more)]
