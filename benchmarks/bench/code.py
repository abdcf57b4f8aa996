"""Which code a result comes from."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import damon_tuner
from damon_tuner import _core

_ROOT = Path(damon_tuner.__file__).parent
# What a result depends on; how it is summed up and drawn may change.
_PARTS = (
    "envs",
    "policies",
    "kernel_iface/host.py",
    "kernel_iface/plan.py",
    "kernel_iface/sim",
    "training/evaluate.py",
    "training/search.py",
    "training/parameter_search.py",
    "benchmarks/clairvoyant",
    "benchmarks/bounds.py",
    "benchmarks/normalised.py",
    "benchmarks/bench/cells.py",
    "benchmarks/bench/objective.py",
)


@lru_cache(maxsize=1)
def code_digest() -> str:
    """A checksum of the compiled core and of the Python files that results depend on."""
    digest = hashlib.sha256(Path(_core.__file__).read_bytes())
    for part in _PARTS:
        path = _ROOT / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(_ROOT).as_posix().encode() + b"\0")
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
