"""The path from snapshot to scheme is the same in the simulator's batch and on any host."""

from array import array
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest

from damon_tuner import _core
from damon_tuner.kernel_iface.host import Action, Intervals, Region, Snapshot
from damon_tuner.kernel_iface.plan import carry_out
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import MONITORING, LearnedPolicy
from damon_tuner.policies.schema import RECLAIM, schema_of

from .helpers import NR_FEATURES, constant_policy, random_policy

GIB = 1 << 30
MIB = 1 << 20


def snapshot(**changes: object) -> Snapshot:
    base = Snapshot(
        time_us=0,
        intervals=Intervals(),
        regions=(
            Region(0, GIB // 2, nr_accesses=0, age=300),
            Region(GIB // 2, 3 * GIB // 4, nr_accesses=0, age=1),
            Region(3 * GIB // 4, GIB, nr_accesses=18, age=5),
        ),
        scheme_stats=(),
        resident_bytes=GIB,
        swapped_bytes=0,
        compressed_bytes=0,
        memory_total_bytes=4 * GIB,
        memory_free_bytes=2 * GIB,
        swap_total_bytes=GIB,
        swap_free_bytes=GIB,
        major_faults=0,
        cpu_time_us=0,
        psi_some_us=0,
        swap_in_us=50.0,
    )
    return replace(base, **changes)


def later(seconds: float, **changes: object) -> Snapshot:
    cpu = {"cpu_time_us": round(seconds * 1e6)}
    return snapshot(time_us=round(seconds * 1e6), **{**cpu, **changes})


def observe(
    decider: _core.Decider, s: Snapshot, tripped: Collection[str] = ()
) -> dict[str, float]:
    out = array("f", bytes(4 * NR_FEATURES))
    decider.observe(s, out, tripped=tripped)
    return dict(zip(RECLAIM.observation_names, out, strict=True))


def act(decider: _core.Decider, *action: float) -> dict[str, float]:
    decider.act(array("f", action))
    return decider.knobs()


# A slow tier that first touches spill into, huge pages, and memory blocks that are worth a pause.
EVERYTHING_ON = {
    "memory_ratio": (0.8, 0.9),
    "slow_ratio": (1.0, 1.0),
    "thp_mode": (1.0, 1.0),
    "memory_block_mib": (128.0, 128.0),
    "interleaved": (0.0, 0.0),
    "energy_price": (0.05, 0.05),
}


@pytest.mark.parametrize("groups", [("reclaim",), _core.KNOB_GROUPS], ids=["reclaim", "all"])
@pytest.mark.parametrize("family", _core.FAMILIES)
def test_a_host_and_the_batch_decide_alike(family: str, groups: tuple[str, ...]) -> None:
    schema = schema_of(groups)
    profile = EVERYTHING_ON if "tiering" in groups else {}
    spec, seed, budget = _core.Spec(family, {}, profile), 7, 0.03
    network = random_policy(3, schema=schema).network()
    host = SimHost(spec, seed=seed, attrs=MONITORING, groups=groups)
    policy = LearnedPolicy(network, budget, schema=schema)
    batch = _core.Batch(
        1,
        1,
        MONITORING.intervals.sample_us,
        MONITORING.intervals.aggr_us,
        MONITORING.min_nr_regions,
        MONITORING.max_nr_regions,
        groups=groups,
    )
    observation = np.zeros((1, schema.nr_features), dtype=np.float32)
    action = np.zeros((1, schema.nr_knobs), dtype=np.float32)
    batch.reset(0, spec, seed, budget, observation)
    host.start(())
    for _ in range(25):
        decision = policy.decide(host.snapshot())
        assert decision.observation == tuple(observation[0].tolist())
        network.forward(observation, action)
        assert decision.action == tuple(action[0].tolist())
        carry_out(host, decision.plan)
        host.advance(5.0)
        batch.step(action, 5_000_000, observation)
        assert decision.knobs == batch.knobs(0)


def test_heat_is_seen_by_idle_time_and_by_frequency() -> None:
    seen = observe(_core.Decider(0.02), snapshot())
    assert seen["idle_20s_share"] == 0.5
    assert seen["idle_below_2s_share"] == 0.25
    assert seen["hot_share"] == 0.25


def test_an_observation_does_not_depend_on_the_size_of_the_host() -> None:
    small = snapshot()
    large = replace(
        small,
        regions=tuple(replace(r, start=r.start * 64, end=r.end * 64) for r in small.regions),
        **{
            name: getattr(small, name) * 64
            for name in ("resident_bytes", "memory_total_bytes", "memory_free_bytes")
        },
    )
    assert observe(_core.Decider(0.02), small) == observe(_core.Decider(0.02), large)


def test_slowdown_is_what_faults_cost_against_the_work_done() -> None:
    decider = _core.Decider(0.02)
    observe(decider, snapshot())
    seen = observe(decider, later(5.0, major_faults=2_000, cpu_time_us=5_000_000))
    assert decider.rates()["slowdown"] == pytest.approx(2_000 * 50 / 5e6)
    assert seen["over_budget_now"] == pytest.approx(np.log2(1 + 1 / 64) / 6, rel=1e-4)


def test_a_counter_that_went_backwards_is_no_change() -> None:
    decider = _core.Decider(0.02)
    observe(decider, snapshot(major_faults=10**6, psi_some_us=10**9))
    seen = observe(decider, later(5.0, major_faults=3, psi_some_us=0))
    assert decider.rates()["slowdown"] == 0.0
    assert all(np.isfinite(list(seen.values())))


@pytest.mark.parametrize(
    "changes",
    [
        {"regions": ()},
        {"resident_bytes": 0, "swapped_bytes": 0},
        {"memory_total_bytes": 0},
        {"swap_total_bytes": 0, "swap_free_bytes": 0},
        {"swap_in_us": 0.0},
        {"major_faults": 2**63, "cpu_time_us": 0},
        {"psi_some_us": 2**64 - 1},
    ],
)
def test_extreme_snapshots_give_bounded_observations(changes: dict[str, object]) -> None:
    decider = _core.Decider(0.02)
    observe(decider, snapshot())
    seen = observe(decider, later(5.0, **changes))
    assert all(-1.0 <= value <= 1.0 for value in seen.values())
    assert all(value > 0.0 for value in act(decider, 0.0, 0.0).values())


@pytest.mark.parametrize(
    "changes",
    [
        {"regions": (Region(10, 5, 0, 0),)},
        {"regions": (None,)},
        {"resident_bytes": -1},
        {"resident_bytes": 2**64},
        {"swap_in_us": "slow"},
        {"swap_in_us": float("nan")},
        {"swap_in_us": -1.0},
        {"intervals": Intervals(sample_us=0)},
    ],
)
def test_impossible_snapshots_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError, AttributeError)):
        observe(_core.Decider(0.02), snapshot(**changes))


def test_actions_span_the_knobs_on_log_scales() -> None:
    low, high = _core.Decider(0.02), _core.Decider(0.02)
    for decider in (low, high):
        observe(decider, snapshot())
    for _ in range(10):
        least, most = act(low, -1.0, -1.0), act(high, 1.0, 1.0)
    assert least == pytest.approx({"min_age_s": 2.0, "quota_bytes_per_s": 1e-5 * GIB})
    assert most == pytest.approx({"min_age_s": 1200.0, "quota_bytes_per_s": 0.1 * GIB})


def test_the_scheme_carries_the_knobs_out() -> None:
    policy = LearnedPolicy(constant_policy((0.0, 0.0)).network(), 0.02)
    decision = policy.decide(snapshot())
    (scheme,) = decision.schemes
    assert scheme.action is Action.PAGEOUT
    assert scheme.pattern.max_nr_accesses == 0
    assert scheme.pattern.min_age == int(np.ceil(decision.knobs["min_age_s"] * 10))
    assert scheme.quota.reset_interval_ms == 1_000
    assert scheme.quota.sz_bytes == int(decision.knobs["quota_bytes_per_s"])


def test_a_snapshot_of_the_same_instant_changes_nothing() -> None:
    decider = _core.Decider(0.02)
    observe(decider, snapshot())
    first = observe(decider, later(5.0, major_faults=100_000))
    assert observe(decider, later(5.0, major_faults=100_000))["hold"] == first["hold"] > 0.0


def test_a_budget_must_be_a_share() -> None:
    for budget in (0.0, -0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="budget"):
            _core.Decider(budget)


def test_acting_before_observing_is_refused() -> None:
    with pytest.raises(RuntimeError, match="observe before"):
        act(_core.Decider(0.02), 0.0, 0.0)
