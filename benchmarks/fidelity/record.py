"""Records real DAMON: boots the guest, lets it play the patterns, and keeps what DAMON said."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from damon_tuner.benchmarks.fidelity.golden import (
    OPERATIONS,
    PATTERNS,
    SCHEME_PATTERN,
    recording_name,
    runs,
)
from damon_tuner.benchmarks.fidelity.inside import Job
from damon_tuner.benchmarks.fidelity.recording import SUFFIX, from_guest, save
from damon_tuner.benchmarks.fidelity.schemes import SCHEMES
from damon_tuner.errors import GuestError, TunerError
from damon_tuner.kernel_iface.guest import GuestSpec, run_in_guest

SECONDS = 45.0
SCHEME_SECONDS = 40.0

# On the counted clock, intervals are as long on a busy machine as on an idle one.
_GUEST = GuestSpec(memory_bytes=1 << 30, cpus=1, swap_bytes=512 << 20, counted_clock=True)
_FOLDER = Path(__file__).parent
_TIMEOUT_S = 3600.0


def record(
    out: Path,
    names: Sequence[str] = (),
    write: Callable[[str], None] = lambda line: print(line, flush=True),
) -> None:
    """Make the recordings with these names, or all, in ``out``.

    Each has a guest of its own, so that the load always finds memory as it is after boot.

    Raises:
        TunerError: there is no recording of that name, or no compiler.
        GuestError: the guest could not run, or its DAMON did not see.

    """
    jobs = list(all_jobs())
    unknown = set(names) - {job.name for job in jobs}
    if unknown:
        raise TunerError(
            f"no recording is called {min(unknown)}: choose from "
            + ", ".join(job.name for job in jobs)
        )
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="damon-tuner-fidelity-") as work:
        load = compile_load(Path(work) / "load")
        for job in jobs:
            if not names or job.name in names:
                _record(job, load, Path(work), out, write)


def all_jobs() -> Iterator[Job]:
    """Every recording of the golden data."""
    for operations in OPERATIONS:
        for pattern in PATTERNS:
            for run in runs(pattern, operations):
                name = recording_name(pattern, operations, run)
                yield Job(name, f"{pattern}.txt", operations, SECONDS)
    for scheme in SCHEMES:
        name = recording_name(scheme, "vaddr", 1)
        yield Job(name, f"{SCHEME_PATTERN}.txt", "vaddr", SCHEME_SECONDS, scheme)


def compile_load(program: Path) -> Path:
    """Compile the load for the guest; raises ``TunerError`` where that is not possible."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise TunerError("the load is a C program: install a C compiler (gcc)")
    # static, because the guest has only the libraries that Python needs
    command = [compiler, "-O2", "-static", "-o", str(program), str(_FOLDER / "load.c")]
    if subprocess.run(command, check=False).returncode:
        raise TunerError("the load was not compiled: install the C library (libc6-dev)")
    return program


def _record(job: Job, load: Path, work: Path, out: Path, write: Callable[[str], None]) -> None:
    raw = work / job.name
    guest = run_in_guest(
        [
            *("python", "-m", "damon_tuner.benchmarks.fidelity.inside"),
            *("--files", "/files", "--jobs", json.dumps([asdict(job)])),
        ],
        _GUEST,
        out_dir=raw,
        timeout_s=_TIMEOUT_S,
        extra_files={"/files": _FOLDER / "patterns", "/files/load": load},
        echo=write,
    )
    if guest.exit_status:
        raise GuestError(f"{job.name} was not recorded: the guest says why above")
    save(from_guest(raw, job.name), out / f"{job.name}{SUFFIX}")
    shutil.rmtree(raw)
