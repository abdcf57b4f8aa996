"""The recordings that the repository holds."""

from __future__ import annotations

from pathlib import Path

from damon_tuner.benchmarks.fidelity.recording import SUFFIX, Recording, load

GOLDEN = Path(__file__).parent / "golden"
OPERATIONS = ("vaddr", "paddr")
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
# By physical address these are recorded twice, by virtual address all are: how far two runs of
# the kernel are apart is the least that can be asked of the simulator.
_PADDR_TWICE = ("stationary", "rates", "moving", "zigzag")


def runs(pattern: str, operations: str) -> tuple[int, ...]:
    """Numbers of the recordings of a pattern under an operations set."""
    return (1, 2) if operations == "vaddr" or pattern in _PADDR_TWICE else (1,)


def recording_name(pattern: str, operations: str, run: int) -> str:
    """What the recording of a pattern, or of a scheme, is called."""
    return f"{pattern}.{operations}.{run}"


def golden(pattern: str, operations: str, run: int, folder: Path = GOLDEN) -> Recording:
    """Read one of them; raises ``TunerError`` when it is not there."""
    return load(folder / f"{recording_name(pattern, operations, run)}{SUFFIX}")
