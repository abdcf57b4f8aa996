"""Simulated hosts with everything fixed, and what can be read off them."""

from __future__ import annotations

import shutil
import subprocess
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from damon_tuner import _core
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    MonitoringAttrs,
    Quota,
    Region,
    Scheme,
    Snapshot,
)
from damon_tuner.kernel_iface.sim import SimHost

MIB = 1 << 20
PAGE_BYTES = 4096
# DAMON also watches a heap and a stack, of which a few pages are in use.
MAPPING_START = 0x7F00_0000_0000
SMALL_RANGES_BYTES = 2 * 132 * 1024

FOOTPRINT_BYTES = 512 * MIB

PROFILE = {
    "memory_ratio": 2.0,
    "cpu_ratio": 1.0,
    "pool_share": 8.0,
    "compression_ratio": 4.0,
    "incompressible_share": 0.0,
    "swap_ratio": 1.0,
    "compressed_in_us": 20.0,
    "swap_in_us": 100.0,
    "page_out_us": 5.0,
    "page_walk_us": 0.0,
    "check_us": 0.25,
    "pressure_visibility": 1.0,
    "swap_in_error": 1.0,
    "swap_price": 0.02,
    "gap_share": 0.0,
}


def fixed_spec(
    family: str,
    workload: Mapping[str, float] | None = None,
    profile: Mapping[str, float] | None = None,
) -> _core.Spec:
    """A spec in which these and all parameters of the profile have one value."""
    common = {"footprint_bytes": float(FOOTPRINT_BYTES), "threads": 1.0, "activity": 1.0}
    common |= {"memory_bound_share": 0.3, "tlb_share": 0.05}
    return _core.Spec(
        family,
        {name: (value, value) for name, value in {**common, **(workload or {})}.items()},
        {name: (value, value) for name, value in {**PROFILE, **(profile or {})}.items()},
    )


def steady_spec(
    hot_share: float,
    hot_rate_hz: float,
    background_rate_hz: float,
    profile: Mapping[str, float] | None = None,
    **workload: float,
) -> _core.Spec:
    """A load that never changes: a hot part at the start of memory, the rest in the background."""
    return fixed_spec(
        "diurnal",
        {
            **workload,
            "low_share": hot_share,
            "high_share": hot_share,
            "hot_rate_hz": hot_rate_hz,
            "background_rate_hz": background_rate_hz,
        },
        profile,
    )


def cold_spec(profile: Mapping[str, float] | None = None) -> _core.Spec:
    """Memory that was filled once and is never read."""
    return steady_spec(0.001, 0.0, 0.0, profile)


def page_out(pattern: AccessPattern | None = None, quota: Quota | None = None) -> Scheme:
    return Scheme(Action.PAGEOUT, pattern or AccessPattern(max_nr_accesses=0), quota or Quota())


def running(
    spec: _core.Spec,
    schemes: Iterable[Scheme] = (),
    *,
    seed: int = 1,
    attrs: MonitoringAttrs | None = None,
) -> SimHost:
    host = SimHost(spec, seed=seed, attrs=attrs)
    host.start(tuple(schemes))
    return host


def tenant_bytes(snapshot: Snapshot) -> int:
    return snapshot.resident_bytes + snapshot.swapped_bytes


def mapped(snapshot: Snapshot) -> tuple[Region, ...]:
    """The regions of the tenant's large mapping, which has no holes."""
    found: list[Region] = []
    for region in snapshot.regions:
        if region.start == (found[-1].end if found else MAPPING_START):
            found.append(region)
    return tuple(found)


def covered(regions: Iterable[Region], pieces: int = 256) -> frozenset[int]:
    """Which of ``pieces`` equal parts of the mapping have their middle in ``regions``."""
    size = FOOTPRINT_BYTES // pieces
    middles = [(MAPPING_START + i * size + size // 2, i) for i in range(pieces)]
    return frozenset(
        i for region in regions for at, i in middles if region.start <= at < region.end
    )


def hot(snapshot: Snapshot, least: int = 5) -> frozenset[int]:
    return covered(region for region in mapped(snapshot) if region.nr_accesses >= least)


class Bench:
    """One host of a batch, stepped by hand: for what only the simulator knows."""

    def __init__(self, spec: _core.Spec, schemes: Iterable[Scheme] = (), seed: int = 1) -> None:
        self.batch = _core.Batch(1)
        self.batch.reset(0, spec, seed, 1.0)
        self.batch.set_schemes(0, tuple(schemes))

    def step(self, seconds: float) -> dict[str, float]:
        """The truth of the next ``seconds``."""
        truth = array("d", bytes(8 * len(_core.TRUTH_NAMES)))
        self.batch.step(None, round(seconds * 1e6), None, truth)
        return dict(zip(_core.TRUTH_NAMES, truth, strict=True))

    def swapped_bytes(self) -> int:
        return int(self.batch.snapshot(0)["swapped_bytes"])


ROOT = Path(__file__).parents[2]
SIM = ROOT / "kernel_iface/sim"


def debug_program(folder: Path, source: str, files: Iterable[Path], optimise: str) -> Path:
    """``source`` of this folder with the simulator's ``files``, in a debug build."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = folder / "broken"
    flags = ["-std=c11", optimise, "-DDT_DEBUG", f"-I{SIM}", f"-I{ROOT / 'policies/decide'}"]
    sources = map(str, [ROOT / "tests/sim" / source, *files])
    command = [compiler, *flags, *sources, "-lm", "-pthread", "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def check_broken_is_named(program: Path, what: str, invariant: str) -> None:
    done = subprocess.run([program, what], capture_output=True, text=True)
    assert done.returncode < 0
    assert done.stderr.endswith(f"this does not hold: {invariant}\n")


def check_nothing_is_named(program: Path) -> None:
    done = subprocess.run([program, "nothing"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "nothing is broken\n")
