"""The clairvoyant bound is what arithmetic says, and nobody who cannot know passes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from damon_tuner import _core
from damon_tuner.benchmarks.clairvoyant.bound import clairvoyant_saving
from damon_tuner.benchmarks.clairvoyant.record import Record, record
from damon_tuner.envs.batch import NR_TRUTH, EpisodeConfig, SimBatch
from damon_tuner.envs.profile_file import bundled_profiles, find_profile
from damon_tuner.envs.reward import outcome
from damon_tuner.envs.workload_file import Workload, bundled_workload
from damon_tuner.kernel_iface.host import AccessPattern, Action, Quota, Scheme
from damon_tuner.policies.rules.page_out import PageOut
from damon_tuner.training.evaluate import begin_episodes, evaluate

CONFIG = EpisodeConfig(episode_s=300.0)
PAGES = 131_072
SLOW_BYTE_S = _core.TRUTH_NAMES.index("slow_byte_s")
HOST = {
    "memory_ratio": 2.0,
    "cpu_ratio": 1.0,
    "pool_share": 0.0,
    "swap_ratio": 1.0,
    "swap_price": 0.02,
    "swap_in_us": 100.0,
    "compressed_in_us": 20.0,
    "compression_ratio": 4.0,
    "incompressible_share": 0.0,
    "fast_ns": 100.0,
    "slow_ns": 250.0,
    "slow_price": 0.5,
    "ranks": 8.0,
    "interleaved": 0.0,
    "memory_block_mib": 128.0,
    "unmovable_share": 0.25,
    "clock_power_share": 0.4,
}
HOT_SHARE, HOT_HZ, COLD_HZ = 0.25, 100.0, 0.02


def steady(host: Mapping[str, float]) -> Workload:
    """A quarter of 512 MiB is hot, the rest in the background; one thread, busy in waves."""
    load = {
        "footprint_bytes": PAGES * 4096.0,
        "threads": 1.0,
        "activity": 1.0,
        "memory_bound_share": 0.4,
        "tlb_share": 0.08,
        "low_share": HOT_SHARE,
        "high_share": HOT_SHARE,
        "hot_rate_hz": HOT_HZ,
        "background_rate_hz": COLD_HZ,
    }

    def fixed(values: Mapping[str, float]) -> dict[str, tuple[float, float]]:
        return {name: (value, value) for name, value in values.items()}

    return Workload("steady", "diurnal", fixed(load), fixed({**HOST, **host}))


def recorded(host: Mapping[str, float]) -> Record:
    return record([steady(host)], [0], config=CONFIG)[0]


def saving(host: Mapping[str, float], groups: tuple[str, ...], budget: float) -> float:
    return clairvoyant_saving(recorded(host), groups, budget)


@cache
def worked() -> float:
    """Share of the time, whatever the host."""
    return recorded({}).worked_us / (CONFIG.episode_s * 1e6)


COLD_PAGES = PAGES * (1 - HOT_SHARE)
ACCESS_HZ = PAGES * (HOT_SHARE * HOT_HZ + (1 - HOT_SHARE) * COLD_HZ)


@pytest.mark.parametrize("budget", [0.01, 0.05, 0.1])
def test_page_out_is_worth_what_the_faults_allow(budget: float) -> None:
    # a fault of 100 us: so many a second are within the budget
    out = budget * worked() * 1e6 / 100.0 / COLD_HZ
    assert out < COLD_PAGES
    bound = saving({}, ("reclaim",), budget)
    assert bound == pytest.approx(out * (1 - 0.02) / PAGES, rel=0.03)


def test_what_is_never_accessed_costs_nothing_to_page_out() -> None:
    workload = replace(
        steady({}), workload={**steady({}).workload, "background_rate_hz": (0.0, 0.0)}
    )
    bound = clairvoyant_saving(record([workload], [0], config=CONFIG)[0], ("reclaim",), 0.0)
    assert bound == pytest.approx((1 - HOT_SHARE) * 0.98, rel=1e-6)


def test_swap_that_is_full_takes_no_more() -> None:
    assert saving({"swap_ratio": 0.1}, ("reclaim",), 1.0) == pytest.approx(0.2 * 0.98, rel=1e-4)


def test_pages_that_do_not_compress_go_to_swap() -> None:
    host = {"pool_share": 1.0, "incompressible_share": 0.2}
    us, price = 0.8 * 20.0 + 0.2 * 100.0, 0.8 / 4.0 + 0.2 * 0.02
    out = 0.02 * worked() * 1e6 / us / COLD_HZ
    bound = saving(host, ("reclaim",), 0.02)
    assert bound == pytest.approx(out * (1 - price) / PAGES, rel=0.03)


# one request waits for another: as long as the bus is busy
def bus(load: float) -> float:
    return 1.0 / (1.0 - load)


def slow_penalty(share: float, bound: float = 0.4, slower: float = 2.5) -> float:
    load = 0.8 * bound
    time = (1 - share) * bus(load * (1 - share)) + share * slower * bus(load * share)
    return max(time / bus(load), load * share * 100.0 / 60.0) - 1.0


def test_slow_memory_saves_its_price_and_takes_time_by_accesses() -> None:
    host = {"slow_ratio": 2.0, "fast_gbps": 100.0, "slow_gbps": 60.0}
    # so large a share of accesses may be slow that all cold pages are, and some of the hot ones
    cold = COLD_PAGES * COLD_HZ / ACCESS_HZ
    shares = np.linspace(0.0, 1.0, 100_001)
    share = max(s for s in shares if 0.4 * slow_penalty(s) <= 0.02)
    assert 0.0 < cold < share < 0.2
    hot = (share - cold) * ACCESS_HZ / HOT_HZ
    bound = saving(host, ("tiering",), 0.02)
    assert bound == pytest.approx((COLD_PAGES + hot) * 0.5 / PAGES, rel=0.03)


def test_hot_pages_are_spread_where_the_bus_is_full() -> None:
    host = {"slow_ratio": 2.0, "fast_gbps": 100.0, "slow_gbps": 60.0, "slow_price": 1.0}
    busy = replace(
        steady({**host, "slow_ns": 100.0}),
        workload={**steady({}).workload, "memory_bound_share": (1.0, 1.0)},
    )
    one = record([busy], [0], config=CONFIG)[0]
    fastest = min(slow_penalty(share, 1.0, 1.0) for share in np.linspace(0.0, 1.0, 10_001))
    assert fastest < -0.5
    assert clairvoyant_saving(one, ("tiering",), fastest + 0.01) == pytest.approx(0.0, abs=1e-3)
    assert clairvoyant_saving(one, ("tiering",), fastest - 0.01) < -1.0


def test_slow_memory_that_is_full_takes_no_more() -> None:
    assert saving({"slow_ratio": 0.1}, ("tiering",), 0.05) == pytest.approx(0.05, rel=1e-4)


def test_huge_pages_pay_for_page_out() -> None:
    # nothing was touched in part: huge pages cost no memory here, and win 8 % of the hot accesses
    won = 0.08 * HOT_SHARE * PAGES * HOT_HZ / ACCESS_HZ
    out = (won + 0.01) * worked() * 1e6 / 100.0 / COLD_HZ
    bound = saving({}, ("reclaim", "thp"), 0.01)
    assert bound == pytest.approx(out * 0.98 / PAGES, rel=0.03)


def test_ranks_that_sleep_save_power_but_not_where_they_are_interleaved() -> None:
    host = {"energy_price": 1.0, "clock_power_share": 0.0}
    # of 8 blocks of 128 MiB, 2 cannot be moved, and half of memory is in use
    asleep = 4 * 128 / 1024
    in_use = 0.5 * (1.0 + 1e-3 * (73 - 41) * worked())
    everything = in_use + 1e-3 * 41
    bound = saving(host, ("power",), 0.0)
    assert bound == pytest.approx(asleep * 1e-3 * (41 - 36) / everything, rel=1e-3)
    assert saving({**host, "interleaved": 1.0}, ("power",), 0.0) == pytest.approx(0.0, abs=1e-9)


def test_a_slower_clock_needs_time() -> None:
    host = {"energy_price": 1.0, "interleaved": 1.0, "unmovable_share": 1.0}
    bounds = [saving(host, ("power",), budget) for budget in (0.0, 0.02, 0.3)]
    assert bounds[0] == pytest.approx(0.0, abs=1e-6)
    assert bounds[0] < bounds[1] < bounds[2]


def test_each_group_alone_is_worth_no_more_than_all() -> None:
    host = {"slow_ratio": 1.0, "energy_price": 0.5, "pool_share": 0.5}
    one = recorded(host)
    groups = ("reclaim", "tiering", "thp", "power")
    everything = clairvoyant_saving(one, groups, 0.02)
    for group in groups:
        assert clairvoyant_saving(one, (group,), 0.02) <= everything + 1e-9


def test_more_budget_never_saves_less() -> None:
    one = record([bundled_workload("kv")], [3], config=CONFIG)[0]
    bounds = [clairvoyant_saving(one, ("reclaim",), budget) for budget in np.linspace(0, 0.3, 13)]
    assert all(low <= high + 1e-6 for low, high in pairwise(bounds)), bounds


def test_a_good_fixed_rule_comes_close() -> None:
    # an idle load needs nothing but page-out, and not much foresight
    workload = bundled_workload("idle").on(find_profile("nvme_swap"))
    seeds = range(4)
    records = record([workload], seeds, config=CONFIG, nr_threads=2)
    rules = {f"{age_s}": PageOut(age_s) for age_s in (5.0, 20.0)}
    results = evaluate(rules, [workload], seeds, 0.02, config=CONFIG, nr_threads=2)
    for seed, one in zip(seeds, records, strict=True):
        shares = [
            result.saving / clairvoyant_saving(one, ("reclaim",), result.slowdown)
            for result in results
            if result.seed == seed
        ]
        assert 0.7 < max(shares) <= 1.0


def test_a_host_of_several_tenants_is_refused() -> None:
    with pytest.raises(ValueError, match="one tenant"):
        record([bundled_workload("kv")], [0], config=replace(CONFIG, tenants=2))


def test_the_record_does_not_depend_on_who_else_is_recorded() -> None:
    workloads = [bundled_workload("kv"), bundled_workload("build_farm")]
    together = record(workloads, [1, 2], config=CONFIG, nr_threads=2)
    alone = record(workloads[1:], [2], config=CONFIG)[0]
    assert alone.cost_unmanaged_byte_s == together[3].cost_unmanaged_byte_s
    np.testing.assert_array_equal(alone.cells.page_s, together[3].cells.page_s)


# ---- no policy passes it ----

SCHEMES = {
    "reclaim": (Action.PAGEOUT, Action.WILLNEED),
    "tiering": (Action.MIGRATE_COLD, Action.MIGRATE_HOT),
    "thp": (Action.COLLAPSE, Action.HUGEPAGE, Action.NOHUGEPAGE, Action.PAGEOUT),
    "power": (),
}
FOR_COLD = (Action.PAGEOUT, Action.MIGRATE_COLD, Action.NOHUGEPAGE)
GROUPS = (
    ("reclaim",),
    ("tiering",),
    ("thp",),
    ("power",),
    ("reclaim", "thp"),
    ("reclaim", "tiering", "thp", "power"),
)


def random_scheme(action: Action, rng: np.random.Generator) -> Scheme:
    cold = action in FOR_COLD
    pattern = AccessPattern(
        min_sz_bytes=4096,
        min_nr_accesses=0 if cold else int(rng.integers(1, 15)),
        max_nr_accesses=int(rng.choice([0, 0, 1, 2])) if cold else 20,
        min_age=int(10 ** rng.uniform(0.0, 2.7)) if cold else int(rng.integers(10)),
    )
    quota = Quota(sz_bytes=int(10 ** rng.uniform(6.0, 10.0)), reset_interval_ms=1000)
    return Scheme(
        action,
        target_nid=1 if action is Action.MIGRATE_COLD else 0,
        pattern=pattern,
        quota=quota if rng.uniform() < 0.7 else Quota(),
    )


def random_policy_truth(
    workload: Workload, seed: int, groups: tuple[str, ...], rng: np.random.Generator
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], bool]:
    """What random schemes and power settings did, and whether memory ran short by that."""
    batch = SimBatch(replace(CONFIG, workloads=(workload,)), 1)
    begin_episodes(batch, [(0, seed)], 1.0)
    actions = [action for group in groups for action in SCHEMES[group] if rng.uniform() < 0.7]
    batch.core.set_schemes(0, [random_scheme(action, rng) for action in actions])
    blocks = int(batch.core.machine(0)["blocks"])
    truth = np.zeros((1, NR_TRUTH))
    for _ in range(CONFIG.episode_steps):
        if "power" in groups and rng.uniform() < 0.2:
            batch.core.set_power(0, int(rng.integers(blocks + 1)), float(rng.uniform(0.1, 1.0)))
        truth += batch.step(None).truth
    machine = batch.core.machine(0)
    stepped_in = machine["kernel_reclaimed_bytes"] > 0 or machine["oom_kills"] > 0
    # what is touched where no fast memory is online goes to the slow node
    overflowed = "tiering" not in groups and truth[0, SLOW_BYTE_S] > 0
    return truth, stepped_in or overflowed


@pytest.mark.parametrize("profile", ["none", *bundled_profiles()])
def test_no_policy_saves_more_than_the_bound_at_its_slowdown(profile: str) -> None:
    rng = np.random.default_rng(len(profile))
    for family in rng.choice(list(_core.FAMILIES), 3, replace=False):
        workload = bundled_workload(family)
        if profile != "none":
            workload = workload.on(find_profile(profile))
        if rng.uniform() < 0.4:
            workload = replace(workload, profile={**workload.profile, "slow_ratio": (0.3, 2.0)})
        seed = int(rng.integers(1000))
        one = record([workload], [seed], config=CONFIG)[0]
        short = one.parameters["memory_ratio"] < 1.03
        for groups in GROUPS:
            truth, ran_short = random_policy_truth(workload, seed, groups, rng)
            if ran_short and not short:
                continue
            result = outcome(truth)
            bound = clairvoyant_saving(one, groups, float(result.slowdown[0]))
            assert float(result.saving[0]) <= bound + 1e-6, (family, seed, groups)
