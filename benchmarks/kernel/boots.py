"""Guests in which something is measured, and how a module measures what it is asked to inside."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from damon_tuner.benchmarks.kernel.played import LOAD
from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest import GuestSpec, run_in_guest

RESULT = "measured.json"
"""What a guest leaves in its folder: the kernel, and what was measured by name."""


@dataclass(frozen=True, slots=True)
class Boot:
    """One guest, and what is measured in it."""

    measurements: tuple[str, ...]
    guest: GuestSpec
    plays: bool = False
    """Whether loads of it play patterns."""
    timeout_s: float | None = None
    """Its own, where it takes longer than others."""


def boot(
    what: Boot, module: str, out: Path, timeout_s: float, write: Callable[[str], None]
) -> None:
    """Boot a guest and have ``module`` measure in it, into ``out``.

    Raises:
        GuestError: it could not run, or its measurement failed.
    """
    # needs NumPy, which the guest has none of
    from damon_tuner.benchmarks.fidelity.record import compile_load

    with tempfile.TemporaryDirectory(prefix="damon-tuner-boot-") as work:
        files = {str(LOAD): compile_load(Path(work, LOAD.name))} if what.plays else {}
        result = run_in_guest(
            ["python", "-m", module, *what.measurements],
            what.guest,
            out_dir=out,
            timeout_s=what.timeout_s or timeout_s,
            extra_files=files,
            echo=write,
        )
    if result.exit_status:
        raise GuestError(f"measuring {out.name} failed in the guest, which says why above")


def measure_asked(measurements: Mapping[str, Callable[[], object]]) -> None:
    """Measure what the arguments of this process name, in their order; runs in the guest."""
    measured = {}
    for name in sys.argv[1:]:
        measured[name] = measurements[name]()
        print(f"{name}: {json.dumps(measured[name])[:300]}", flush=True)
    out = Path(os.environ["DAMON_TUNER_OUT"], RESULT)
    out.write_text(json.dumps({"kernel": os.uname().release, **measured}))
