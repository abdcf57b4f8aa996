"""Several tenants of one host: what each asks for, and what the host does of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from damon_tuner import _core
from damon_tuner.envs.batch import EpisodeConfig, SimBatch
from damon_tuner.envs.workload_file import bundled_workload

IDLE, KV = 0, 1
PROFILE = {
    "memory_ratio": (1.2, 1.2),
    "slow_ratio": (1.0, 1.0),
    "memory_block_mib": (128.0, 128.0),
    "interleaved": (0.0, 0.0),
    "energy_price": (0.1, 0.1),
    "unmovable_share": (0.1, 0.1),
}


def host_of_two(groups: tuple[str, ...]) -> SimBatch:
    workloads = tuple(replace(bundled_workload(n), profile=PROFILE) for n in ("idle", "kv"))
    config = EpisodeConfig(workloads=workloads, tenants=2, groups=groups)
    batch = SimBatch(config, 1)
    batch.begin(0, (IDLE, KV), 11, (0.01, 0.1))
    return batch


def actions(batch: SimBatch, first: dict[str, float], second: dict[str, float]) -> np.ndarray:
    names = batch.schema.knob_names
    return np.array([[each.get(n, 0.0) for n in names] for each in (first, second)], np.float32)


def truth(batch: SimBatch, asked: np.ndarray, steps: int) -> dict[str, np.ndarray]:
    total = np.sum([batch.step(asked).truth for _ in range(steps)], axis=0)
    return dict(zip(_core.TRUTH_NAMES, total.T, strict=True))


@pytest.mark.parametrize("who", [IDLE, KV])
def test_a_tenant_demotes_its_own_pages_only(who: int) -> None:
    batch = host_of_two(("tiering",))
    eager = {"demote_min_age_s": -1.0, "demote_quota_bytes_per_s": 1.0, "fast_free_share": 1.0}
    idle = {"demote_min_age_s": 1.0, "demote_quota_bytes_per_s": -1.0, "fast_free_share": -1.0}
    asked = actions(batch, *(eager if row == who else idle for row in (IDLE, KV)))
    moved = truth(batch, asked, 60)
    other = 1 - who
    assert moved["pages_demoted"][who] > 1_000
    assert moved["pages_demoted"][other] == moved["pages_promoted"][other] == 0.0
    assert moved["slow_byte_s"][who] > 0.0 == moved["slow_byte_s"][other]


def test_the_most_careful_decides_what_the_host_has_once() -> None:
    power = {}
    for both in (False, True):
        batch = host_of_two(("power",))
        bold = {"spare_share": -1.0, "clock_cap": -1.0}
        careful = bold if both else {"spare_share": 1.0, "clock_cap": 1.0}
        truth(batch, actions(batch, bold, careful), 30)
        power[both] = batch.core.machine(0)
    assert power[False]["blocks_offline"] == 0
    assert power[True]["blocks_offline"] > 0
    assert (power[False]["clock_cap"], power[True]["clock_cap"]) == (1.0, pytest.approx(0.5))


def test_each_tenant_is_held_to_its_own_budget() -> None:
    config = EpisodeConfig(workloads=(bundled_workload("phases"),), tenants=2)
    held, saving = np.zeros(2), np.zeros(2)
    for seed in range(6):
        batch = SimBatch(config, 1)
        batch.begin(0, (0, 0), seed, (0.01, 0.1))
        eager = {"min_age_s": -1.0, "quota_bytes_per_s": 1.0}
        asked = actions(batch, eager, eager)
        for _ in range(180):
            saving += batch.step(asked).outcome.saving
            reasons = [batch.core.reasons(row) for row in (0, 1)]
            held += [bool({"breach", "hold"} & set(each)) for each in reasons]
    # the same policy on loads of the same kind: the first has a tenth of the budget to spend
    assert held[0] > held[1]
    assert saving[0] < saving[1]


def test_a_host_without_slow_memory_has_no_node_contexts() -> None:
    config = EpisodeConfig(workloads=(bundled_workload("kv"),), groups=("tiering",))
    batch = SimBatch(config, 1)
    batch.begin(0, (0,), 3, (0.02,))
    batch.core.snapshot(0, 0)
    with pytest.raises(IndexError, match="no such context"):
        batch.core.snapshot(0, 1)
    moved = truth(batch, np.ones((1, batch.schema.nr_knobs), np.float32), 5)
    assert moved["pages_demoted"][0] == 0.0


def test_what_a_tenant_sees_of_its_tiers_is_its_own() -> None:
    batch = host_of_two(("tiering",))
    eager = {"demote_min_age_s": -1.0, "demote_quota_bytes_per_s": 1.0, "fast_free_share": 1.0}
    asked = actions(batch, eager, {"demote_quota_bytes_per_s": -1.0, "fast_free_share": -1.0})
    names = batch.schema.observation_names
    for _ in range(40):
        seen = batch.step(asked).observations
    slow = seen[:, names.index("slow_share")]
    assert slow[IDLE] > 0.05
    assert slow[KV] == 0.0
    free = seen[:, names.index("fast_free_share")]
    assert free[IDLE] == free[KV] > 0.0
    for row in (IDLE, KV):
        snapshot = batch.core.snapshot(0, row)
        assert snapshot["slow_bytes"] <= snapshot["resident_bytes"]
    assert batch.core.snapshot(0, IDLE)["demoted_bytes"] > 0
    assert batch.core.snapshot(0, KV)["demoted_bytes"] == 0
