"""Several tenants on one host: what they share, and what is each one's own."""

from __future__ import annotations

from array import array

import pytest

from damon_tuner import _core
from damon_tuner.kernel_iface.host import Action, Filter, FilterType, Operations, Scheme
from damon_tuner.kernel_iface.sim import SimContext
from damon_tuner.policies.schema import RECLAIM

from .helpers import FOOTPRINT_BYTES, page_out, steady_spec

HOST = {
    "check_us": 0.0,
    "pool_share": 0.0,
    "swap_ratio": 8.0,
    "low_wmark_permille": 10.0,
    "memory_ratio": 2.0,
}
NR_TRUTH, NR_KNOBS = len(_core.TRUTH_NAMES), RECLAIM.nr_knobs


class Tenants:
    """A batch of hosts with as many tenants as there are specs."""

    def __init__(
        self, *specs: _core.Spec, budget: float | tuple[float, ...] = 1.0, nr_threads: int = 1
    ) -> None:
        self.nr = len(specs)
        self.batch = _core.Batch(3, nr_threads, nr_tenants=self.nr)
        for host in range(3):
            self.batch.reset(host, specs if self.nr > 1 else specs[0], host + 1, budget)

    def step(self, seconds: float, actions: array[float] | None = None) -> list[dict[str, float]]:
        """The truth of each row."""
        truth = array("d", bytes(8 * NR_TRUTH * 3 * self.nr))
        self.batch.step(actions, round(seconds * 1e6), None, truth)
        return [
            dict(zip(_core.TRUTH_NAMES, truth[i : i + NR_TRUTH], strict=True))
            for i in range(0, len(truth), NR_TRUTH)
        ]


def busy(profile: dict[str, float] | None = None) -> _core.Spec:
    return steady_spec(0.9, 20.0, 0.0, {**HOST, **(profile or {})})


def idle(profile: dict[str, float] | None = None) -> _core.Spec:
    return steady_spec(0.001, 0.0, 0.0, {**HOST, **(profile or {})})


def test_a_scheme_acts_on_its_own_tenant() -> None:
    tenants = Tenants(idle(), idle())
    tenants.batch.set_schemes(0, [page_out()], 1)
    rows = tenants.step(3.0)
    assert rows[0]["pages_out"] == 0 < rows[1]["pages_out"]
    assert rows[0]["resident_byte_s"] == pytest.approx(3.0 * FOOTPRINT_BYTES)


def test_with_room_for_all_a_neighbour_is_not_felt() -> None:
    alone, beside = Tenants(busy()), Tenants(busy(), idle())
    for _ in range(3):
        a, b = alone.step(3.0)[0], beside.step(3.0)[0]
        assert b["stall_us"] == a["stall_us"] == b["lost_us"] == 0


def test_short_memory_is_short_for_all() -> None:
    rows = Tenants(busy({"memory_ratio": 0.6}), busy()).step(5.0)
    assert rows[0]["stall_us"] > 0 and rows[1]["stall_us"] > 0


def test_paging_out_one_tenant_makes_room_for_the_other() -> None:
    profile = {"memory_ratio": 0.7, "low_wmark_permille": 5.0}
    left, managed = Tenants(busy(profile), idle()), Tenants(busy(profile), idle())
    managed.batch.set_schemes(0, [page_out()], 1)
    left.step(20.0)
    managed.step(20.0)
    assert managed.step(10.0)[0]["stall_us"] <= left.step(10.0)[0]["stall_us"]


def test_totals_of_the_host_are_those_of_its_tenants() -> None:
    tenants = Tenants(busy({"memory_ratio": 0.6}), idle(), busy())
    for _ in range(10):
        tenants.step(1.3)
        assert tenants.batch.broken_invariant(0) is None
        total = sum(tenants.batch.machine(0)["used_bytes"].values())
        assert total == pytest.approx(3 * FOOTPRINT_BYTES, rel=1e-6)


def test_budgets_and_actions_are_by_row() -> None:
    tenants = Tenants(idle(), idle(), budget=(1.0, 1.0))
    actions = array("f", [1.0] * NR_KNOBS + [-1.0] * NR_KNOBS) * 3
    tenants.step(1.0, actions)
    assert tenants.batch.knobs(0) == tenants.batch.knobs(2) != tenants.batch.knobs(1)


def test_each_row_is_shown_its_own_budget() -> None:
    batch = _core.Batch(1, nr_tenants=2)
    rows = array("f", bytes(4 * 2 * RECLAIM.nr_features))
    batch.reset(0, (idle(), idle()), 1, (0.01, 0.5), rows)
    shown = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    differ = {name for name, a, b in zip(RECLAIM.observation_names, *shown, strict=True) if a != b}
    assert any("budget" in name for name in differ)


@pytest.mark.parametrize("nr_threads", [2, 3, 8])
def test_results_do_not_depend_on_threads(nr_threads: int) -> None:
    specs = (busy({"memory_ratio": 0.6, "thp_mode": 2.0}), idle(), busy())
    one, many = Tenants(*specs), Tenants(*specs, nr_threads=nr_threads)
    for _ in range(3):
        assert one.step(2.7) == many.step(2.7)


@pytest.mark.parametrize("tenant", [0, 1])
def test_a_memcg_filter_leaves_the_other_tenants_alone(tenant: int) -> None:
    tenants = Tenants(idle(), idle())
    only = Filter(FilterType.MEMCG, matching=False, memcg_path=f"/tenant{tenant}")
    tenants.batch.set_contexts(0, [SimContext(Operations.PADDR, nodes=(0,))])
    tenants.batch.set_schemes(0, [Scheme(Action.PAGEOUT, filters=(only,))])
    rows = tenants.step(5.0)
    assert rows[1 - tenant]["pages_out"] == 0
    assert rows[tenant]["pages_out"] > 0.9 * FOOTPRINT_BYTES / 4096


def test_only_the_biggest_is_killed() -> None:
    small = steady_spec(0.001, 0.0, 0.0)
    big = _core.Spec("idle", {"footprint_bytes": (2.0**31, 2.0**31)})
    host = {**HOST, "memory_ratio": 0.6, "swap_ratio": 0.0}
    rows = Tenants(steady_spec(0.5, 1.0, 0.0, host), big, small).step(5.0)
    assert rows[1]["oom_kills"] + rows[4]["oom_kills"] + rows[7]["oom_kills"] <= 3
    assert rows[0]["oom_kills"] == rows[2]["oom_kills"] == 0
