"""The recordings that the repository holds."""

from __future__ import annotations

from pathlib import Path

from damon_tuner.benchmarks.fidelity.recording import SUFFIX, Recording, load

GOLDEN = Path(__file__).parent / "golden"
OPERATIONS = ("vaddr", "paddr")
RUNS = (1, 2)
PATTERNS = (
    "stationary",
    "rates",
    "moving",
    "stairs",
    "zigzag",
    "scan",
    "uniform",
    "idle",
    "huge",
    "growing",
)
SCHEME_PATTERN = "stationary"


def recording_name(pattern: str, operations: str, run: int) -> str:
    """What the recording of a pattern, or of a scheme, is called."""
    return f"{pattern}.{operations}.{run}"


def golden(pattern: str, operations: str, run: int, folder: Path = GOLDEN) -> Recording:
    """Read one of them; raises ``TunerError`` when it is not there."""
    return load(folder / f"{recording_name(pattern, operations, run)}{SUFFIX}")
