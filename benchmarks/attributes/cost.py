"""What a step of the derived attributes costs, at its worst."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from damon_tuner import _core
from damon_tuner.benchmarks.figure import Figure, repeated
from damon_tuner.kernel_iface.host import Intervals, Region, Snapshot

_CHUNKS = 128
_REGIONS = 200
_CHUNK_BYTES = 4 << 20
_STEPS = 256
_RUNS = 7
_STEP_US = 5_000_000
# So that uses end: more quiet steps than it takes, between short uses.
_USED_SHARE = 0.15


def cost_figures() -> list[Figure]:
    """``attributes.update``: CPU time beside that of the history, with all chunks full.

    128 chunks come and go at random, so that hardly any two are alike, for 256 steps and more;
    200 regions are looked at.
    """
    values = []
    for run in range(_RUNS):
        snapshots = full_snapshots(random.Random(run))
        history, attributes = _core.History(), _core.Attributes()
        values.append(
            (_us(attributes.update, snapshots) - _us(history.update, snapshots)) / _STEPS
        )
    return [repeated("attributes.update", values, "us", chunks=_CHUNKS, regions=_REGIONS)]


def _us(update: Callable[[Snapshot], None], snapshots: list[Snapshot]) -> float:
    """CPU time of the last 256 snapshots, after as many before."""
    for snapshot in snapshots[:_STEPS]:
        update(snapshot)
    start_ns = time.process_time_ns()
    for snapshot in snapshots[_STEPS:]:
        update(snapshot)
    return (time.process_time_ns() - start_ns) / 1e3


def full_snapshots(rng: random.Random) -> list[Snapshot]:
    """512 snapshots, 5 s apart, of 128 chunks that come and go at random, in 200 regions."""
    whole = _CHUNKS * _CHUNK_BYTES >> 12
    cuts = sorted(rng.sample(range(1, whole), _REGIONS - 1))
    bounds = [0, *(cut << 12 for cut in cuts), whole << 12]
    ages = [0] * _REGIONS
    snapshots = []
    for step in range(2 * _STEPS):
        used = [rng.random() < _USED_SHARE for _ in ages]
        ages = [0 if now else age + 50 for now, age in zip(used, ages, strict=True)]
        regions = tuple(
            Region(start, end, nr_accesses=5 * now, age=age)
            for start, end, now, age in zip(bounds[:-1], bounds[1:], used, ages, strict=True)
        )
        snapshots.append(_snapshot(step, regions))
    return snapshots


def _snapshot(step: int, regions: tuple[Region, ...]) -> Snapshot:
    return Snapshot(
        time_us=step * _STEP_US,
        intervals=Intervals(),
        regions=regions,
        scheme_stats=(),
        resident_bytes=_CHUNKS * _CHUNK_BYTES,
        swapped_bytes=0,
        compressed_bytes=0,
        memory_total_bytes=_CHUNKS * _CHUNK_BYTES,
        memory_free_bytes=0,
        swap_total_bytes=0,
        swap_free_bytes=0,
        major_faults=0,
        cpu_time_us=0,
        psi_some_us=0,
        swap_in_us=60.0,
    )
