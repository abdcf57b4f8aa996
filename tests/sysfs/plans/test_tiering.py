"""Promotion and demotion of several tenants, by node and by virtual address."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from damon_tuner.errors import TakenOverError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Dest,
    Filter,
    FilterType,
    GoalMetric,
    Quota,
    QuotaGoal,
    Region,
    Scheme,
    Target,
)
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.kernel_iface.sysfs.plans import PlanCarrier
from damon_tuner.kernel_iface.sysfs.restore import restore
from damon_tuner.kernel_iface.sysfs.session import Session
from damon_tuner.kernel_iface.sysfs.session_host import SessionHost

from ..actors.fake_memory import MIB
from ..fake_kdamond import failure
from ..fake_kernel import Fault
from .fake_tiers import BALANCING, DEMOTION, THP, TierKernel

QUOTA = Quota(sz_bytes=64 * MIB, reset_interval_ms=1_000)
PAGE_OUT = Scheme(Action.PAGEOUT, AccessPattern(max_nr_accesses=0, min_age=300), QUOTA)
PROMOTE = Scheme(
    Action.MIGRATE_HOT,
    AccessPattern(min_nr_accesses=4),
    QUOTA,
    filters=(Filter(FilterType.YOUNG, matching=True, allow=True),),
)
DEMOTE = Scheme(
    Action.MIGRATE_COLD,
    AccessPattern(max_nr_accesses=0, min_age=100),
    QUOTA,
    filters=(Filter(FilterType.YOUNG, matching=False, allow=True),),
)
TIERED = Plan((PAGE_OUT,), PROMOTE, DEMOTE)


def hosted(session: Session, pid: int) -> SessionHost:
    host = SessionHost(session, Context(targets=(Target(pid),)))
    host.start(())
    return host


def nodes_schemes(kernel: TierKernel) -> list[dict[str, str]]:
    """All schemes for physical memory, kdamond by kdamond; the observer is none of them."""
    return [
        scheme
        for number, kdamond in enumerate(kernel.kdamonds)
        if (kdamond.committed or {}).get("operations") == "paddr"
        for scheme in kernel.running_schemes(number)
        if scheme["action"] != "stat"
    ]


def moves(kernel: TierKernel) -> list[tuple[str, str]]:
    return sorted((each["action"], each["target_nid"]) for each in nodes_schemes(kernel))


def filters(scheme: dict[str, str]) -> list[tuple[str, ...]]:
    count = int(scheme["ops_filters/nr_filters"])
    names = ("type", "matching", "allow", "memcg_path")
    return [
        tuple(scheme[f"ops_filters/{number}/{name}"] for name in names) for number in range(count)
    ]


def test_one_tenant_has_one_kdamond_a_node(kernel, add, carrier):
    add("db", 5001, "/db")
    carrier.apply({"db": TIERED})
    assert moves(kernel) == [("migrate_cold", "1"), ("migrate_hot", "0")]
    hot, cold = sorted(nodes_schemes(kernel), key=lambda scheme: scheme["target_nid"])
    # Others' pages are left alone before anything is asked of them.
    assert filters(hot) == [("memcg", "N", "N", "/db"), ("young", "N", "N", "")]
    assert filters(cold) == [("memcg", "N", "N", "/db"), ("young", "Y", "N", "")]
    assert hot["quotas/fail_charge_denom"] == "64"
    ranges = [
        {p: t for p, t in (kdamond.committed or {}).items() if "targets/0/regions/0/" in p}
        for kdamond in kernel.kdamonds
        if (kdamond.committed or {}).get("operations") == "paddr"
    ]
    starts = sorted(int(each["targets/0/regions/0/start"]) for each in ranges)
    assert starts == [4 * 128 * MIB, 5 * 128 * MIB]
    assert carrier.stats("db").trouble == carrier.trouble == ""


def test_the_whole_host_as_tenant_needs_no_filter(kernel, add, carrier):
    add("host")
    carrier.apply({"host": TIERED})
    moving = [scheme for scheme in nodes_schemes(kernel) if "migrate" in scheme["action"]]
    assert [filters(scheme) for scheme in sorted(moving, key=lambda each: each["action"])] == [
        [("young", "Y", "N", "")],
        [("young", "N", "N", "")],
    ]


def test_a_group_with_groups_below_it_names_them_all(kernel, add, carrier):
    kernel.add_cgroup("/pod", resident={0: 1})
    kernel.add_cgroup("/pod/a", resident={0: 8192})
    kernel.add_cgroup("/pod/a/deep", resident={0: 4096})
    add("pod", 5001, "/pod")
    carrier.apply({"pod": TIERED})
    hot, cold = sorted(nodes_schemes(kernel), key=lambda scheme: scheme["target_nid"])
    groups = [("memcg", "Y", "Y", path) for path in ("/pod", "/pod/a", "/pod/a/deep")]
    # Who is not young is refused, and then who is not of the tenant.
    assert filters(hot) == [("young", "N", "N", ""), *groups]
    assert filters(cold) == [("young", "Y", "N", ""), *groups]


def test_tenants_share_promotion_and_have_a_kdamond_each_for_demotion(kernel, add, carrier):
    for number, name in enumerate(("a", "b", "c")):
        add(name, 5001 + number, f"/{name}")
    carrier.apply(dict.fromkeys(("a", "b", "c"), TIERED))
    by_kdamond = [
        [scheme["action"] for scheme in kernel.running_schemes(number) if "migrate" in str(scheme)]
        for number in range(len(kernel.kdamonds))
    ]
    assert sorted(filter(None, by_kdamond)) == [
        *[["migrate_cold"]] * 3,
        ["migrate_hot"] * 3,
    ]
    # A tenant that goes takes its schemes along, and those of the others stay where they are.
    before = {n: d for n, d in enumerate(by_kdamond) if d == ["migrate_cold"]}
    carrier.remove("b")
    carrier.carry_out()
    assert moves(kernel) == [*[("migrate_cold", "1")] * 2, *[("migrate_hot", "0")] * 2]
    assert not any("'/b'" in str(scheme) for scheme in nodes_schemes(kernel))
    add("d", 5010, "/d")
    carrier.apply({"d": TIERED})
    after = {n for n in before if kernel.running_schemes(n)}
    assert after == set(before)
    assert any("'/d'" in str(scheme) for scheme in nodes_schemes(kernel))


@pytest.mark.parametrize("nr_nodes", [1, 3])
def test_any_number_of_tiers(nr_nodes, tmp_path):
    kernel = TierKernel(nr_nodes)
    kernel.spawn(5001)
    with Session(12, kernel=kernel, state_dir=tmp_path) as session:
        session.open()
        carrier = PlanCarrier(session)
        host = hosted(session, 5001)
        kernel.add_cgroup("/db", resident={0: 4096, nr_nodes - 1: 100 * 4096})
        carrier.add("db", host, "/db")
        carrier.apply({"db": TIERED})
        expected = {
            1: [],
            3: [
                *(("migrate_cold", "1"), ("migrate_cold", "2")),
                *(("migrate_hot", "0"), ("migrate_hot", "1")),
            ],
        }
        assert moves(kernel) == expected[nr_nodes]
        seen = carrier.observed("db", host.snapshot())
        assert seen.slow_bytes == (0 if nr_nodes == 1 else 100 * 4096)
        assert (seen.fast_total_bytes > 0) == (nr_nodes == 3)
        carrier.stop()


def test_a_process_without_a_group_is_tiered_by_its_own_addresses(kernel, add, carrier):
    host = add("app", 5001)
    carrier.apply({"app": TIERED})
    assert nodes_schemes(kernel) == []
    assert [
        (scheme["action"], scheme["target_nid"]) for scheme in kernel.running_schemes(0)[:3]
    ] == [("pageout", "-1"), ("migrate_hot", "0"), ("migrate_cold", "1")]
    kernel.kdamonds[0].stats = [
        {"stats/sz_applied": str(size)} for size in (1 * MIB, 2 * MIB, 4 * MIB)
    ]
    seen = carrier.observed("app", host.snapshot())
    assert [stat.sz_applied_bytes for stat in seen.scheme_stats] == [1 * MIB]
    assert (seen.promoted_bytes, seen.demoted_bytes) == (2 * MIB, 4 * MIB)


def test_an_older_kernel_tiers_control_groups_alone(tmp_path):
    kernel = TierKernel(version="6.16")
    kernel.spawn(5001)
    with Session(6, kernel=kernel, state_dir=tmp_path) as session:
        session.open()
        carrier = PlanCarrier(session)
        carrier.add("app", hosted(session, 5001))
        spread = replace(PROMOTE, dests=(Dest(0, 700), Dest(1, 300)))
        carrier.apply({"app": replace(TIERED, schemes=(PAGE_OUT, spread))})
        assert [scheme["action"] for scheme in kernel.running_schemes(0)[:-1]] == ["pageout"]
        assert "control group" in carrier.stats("app").trouble
        carrier.stop()


def test_what_is_spread_goes_to_the_nodes_of_the_tiers(kernel, add, carrier):
    spread = replace(PROMOTE, dests=(Dest(0, 700), Dest(1, 300)))
    add("app", 5001)
    carrier.apply({"app": Plan((PAGE_OUT, spread))})
    scheme = kernel.running_schemes(0)[1]
    assert [(scheme[f"dests/{n}/id"], scheme[f"dests/{n}/weight"]) for n in range(2)] == [
        ("0", "700"),
        ("1", "300"),
    ]


def test_goals_are_about_the_right_nodes(kernel, add, carrier):
    used = QuotaGoal(GoalMetric.NODE_MEM_USED_BP, 9_900)
    free = QuotaGoal(GoalMetric.NODE_MEM_FREE_BP, 200)
    own = QuotaGoal(GoalMetric.NODE_MEMCG_USED_BP, 500)
    add("db", 5001, "/db")
    plan = Plan(
        (),
        replace(PROMOTE, quota=replace(QUOTA, goals=(used,))),
        replace(DEMOTE, quota=replace(QUOTA, goals=(free, own))),
    )
    carrier.apply({"db": plan})
    hot, cold = sorted(nodes_schemes(kernel), key=lambda scheme: scheme["target_nid"])
    assert (hot["quotas/goals/0/nid"], hot["quotas/goals/nr_goals"]) == ("0", "1")
    assert (cold["quotas/goals/0/nid"], cold["quotas/goals/1/nid"]) == ("0", "0")
    assert cold["quotas/goals/1/path"] == "/db"


def test_promotion_leaves_room_on_the_fast_node(kernel, add, carrier):
    add("db", 5001, "/db")
    kernel.free[0] = 20 * MIB  # of which 4 MiB are what reclaim needs
    carrier.apply({"db": TIERED})
    (hot,) = (scheme for scheme in nodes_schemes(kernel) if scheme["action"] == "migrate_hot")
    assert hot["quotas/bytes"] == str(16 * MIB)
    # 4 of 1,024 MiB, and the kernel itself stops there
    assert hot["quotas/goals/0/target_metric"] == "node_mem_used_bp"
    assert hot["quotas/goals/0/target_value"] == "9960"
    assert hot["quotas/goal_tuner"] == "temporal"


def test_an_older_kernel_is_watched_between_decisions(tmp_path):
    kernel = TierKernel(version="7.0")
    kernel.spawn(5001)
    kernel.add_cgroup("/db")
    with Session(6, kernel=kernel, state_dir=tmp_path) as session:
        session.open()
        carrier = PlanCarrier(session)
        carrier.add("db", hosted(session, 5001), "/db")
        carrier.apply({"db": TIERED})

        def quota() -> str:
            schemes = nodes_schemes(kernel)
            return next(s["quotas/bytes"] for s in schemes if s["action"] == "migrate_hot")

        assert quota() == str(64 * MIB)
        kernel.free[0] = 2 * MIB
        carrier.advance()
        assert quota() == "1"  # less than a page is nothing
        kernel.free[0] = 512 * MIB
        carrier.advance()
        assert quota() == str(64 * MIB)
        carrier.stop()


def test_the_kernels_own_tiering_helps_and_is_put_back(kernel, add, carrier, session):
    before = kernel.sysfs, kernel.files[BALANCING]
    add("db", 5001, "/db")
    carrier.apply({"db": Plan((PAGE_OUT,))})
    assert (kernel.files[DEMOTION], kernel.files[BALANCING]) == ("false", "3")
    carrier.apply({"db": TIERED})
    assert (kernel.files[DEMOTION], kernel.files[BALANCING]) == ("true", "1")
    carrier.apply({"db": Plan((PAGE_OUT,))})
    assert (kernel.files[DEMOTION], kernel.files[BALANCING]) == ("false", "3")
    assert nodes_schemes(kernel) == []
    carrier.apply({"db": TIERED})
    carrier.stop()
    assert (kernel.files[DEMOTION], kernel.files[BALANCING]) == ("false", "3")
    assert (set(before[0]) - set(kernel.sysfs), before[1]) == (set(), kernel.files[BALANCING])


def test_who_switches_demotion_off_meanwhile_is_left_alone(kernel, add, carrier):
    add("db", 5001, "/db")
    carrier.apply({"db": TIERED})
    kernel.files[DEMOTION] = "false"
    carrier.apply({"db": TIERED})
    assert kernel.files[DEMOTION] == "false"
    assert carrier.trouble == ""


def test_a_kill_leaves_what_restore_puts_back(kernel, add, carrier, session, tmp_path):
    # As the fixture found it: nothing of DAMON's, and the kernel's own settings.
    add("db", 5001, "/db")
    carrier.apply({"db": TIERED})
    session.close = lambda: None
    kernel.locked.clear()
    done = restore(kernel, tmp_path / "state")
    assert done.status == 0
    assert (kernel.files[DEMOTION], kernel.files[BALANCING]) == ("false", "3")
    assert kernel.files["sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds"] == "0"


def test_a_group_that_has_gone_is_dropped_and_the_others_go_on(kernel, add, carrier):
    add("a", 5001, "/a")
    add("b", 5002, "/b")
    carrier.apply({"a": TIERED, "b": TIERED})
    kernel.remove_cgroup("/b")
    carrier.carry_out()
    assert not any("'/b'" in str(scheme) for scheme in nodes_schemes(kernel))
    assert moves(kernel) == [("migrate_cold", "1"), ("migrate_hot", "0")]
    assert "control group is gone" in carrier.stats("b").trouble
    assert carrier.stats("a").trouble == ""


def test_a_group_that_goes_in_the_middle_of_a_change_refuses_nothing(kernel, add, carrier):
    add("a", 5001, "/a")
    add("b", 5002, "/b")
    carrier.apply({"a": TIERED, "b": TIERED})
    slower = replace(TIERED, promote=replace(PROMOTE, quota=replace(QUOTA, sz_bytes=MIB)))

    def goes(path: str, text: str) -> None:
        if text == "commit" and "/b" in kernel.cgroups:
            kernel.remove_cgroup("/b")

    carrier.plan("a", slower)
    carrier.plan("b", slower)
    kernel.before_write = goes
    carrier.carry_out()
    (hot,) = (scheme for scheme in nodes_schemes(kernel) if scheme["action"] == "migrate_hot")
    assert hot["quotas/bytes"] == str(MIB)
    assert filters(hot)[0][3] == "/a"


def test_what_was_moved_is_counted_by_tenant(kernel, add, carrier):
    first = add("a", 5001, "/a")
    add("b", 5002, "/b")
    carrier.apply({"a": TIERED, "b": TIERED})

    def count(number: int, *sizes: int) -> None:
        kernel.kdamonds[number].stats = [{"stats/sz_applied": str(size)} for size in sizes]

    (promoting,) = (
        number
        for number in range(len(kernel.kdamonds))
        if [s["action"] for s in kernel.running_schemes(number)][:2] == ["migrate_hot"] * 2
    )
    count(promoting, 3 * MIB, 5 * MIB)
    carrier.carry_out()
    assert carrier.stats("a").promoted_bytes == 3 * MIB
    assert carrier.stats("b").promoted_bytes == 5 * MIB
    # "b" moves up to the index of "a", whose statistics go on there
    carrier.remove("a")
    carrier.carry_out()
    count(promoting, 4 * MIB)
    carrier.carry_out()
    assert carrier.stats("b").promoted_bytes == 6 * MIB
    carrier.plan("b", Plan())
    carrier.carry_out()
    assert carrier.stats("b").promoted_bytes == 6 * MIB
    carrier.add("a", first, "/a")
    assert carrier.stats("a").promoted_bytes == 0


def test_heat_on_slower_nodes_is_seen(kernel, add, carrier):
    host = add("db", 5001, "/db")
    carrier.apply({"db": TIERED})
    by_node = {4: [Region(0, 4096, 1, 0)], 5: [Region(0, 4096, 2, 0), Region(4096, 8192, 1, 0)]}
    regions_of = kernel.regions_of

    def seen(targets: list[str]) -> list[Region]:
        if targets:
            return regions_of(targets)
        paddr = [n for n, k in enumerate(kernel.kdamonds) if not k.targets and k.committed]
        asked = next(n for n in paddr if asking(kernel) == n)
        start = int(kernel.kdamonds[asked].committed["targets/0/regions/0/start"])
        return by_node[start // (128 * MIB)]

    kernel.regions_of = seen
    assert carrier.observed("db", host.snapshot()).slow_heat_share == 0.75


def asking(kernel: TierKernel) -> int:
    """Which kdamond was given the last command."""
    path = kernel.last_command
    return int(path.split("/kdamonds/")[1].partition("/")[0])


def test_leases_are_renewed_for_the_nodes_too(kernel, session):
    kernel.spawn(5001)
    kernel.add_cgroup("/db")
    carrier = PlanCarrier(session, lease_s=60.0)
    carrier.add("db", hosted(session, 5001), "/db")
    carrier.apply({"db": TIERED})

    def granted() -> list[int]:
        return [int(scheme["stats/max_nr_snapshots"]) for scheme in nodes_schemes(kernel)]

    first = granted()
    assert all(first)
    for kdamond in kernel.kdamonds:
        kdamond.stats = [{"stats/nr_snapshots": "300"} for _ in kdamond.stats]
    carrier.carry_out()
    kernel.clock_us += 50_000_000
    for kdamond in kernel.kdamonds:
        kdamond.stats = [{"stats/nr_snapshots": "800"} for _ in kdamond.stats]
    carrier.carry_out()
    assert all(now > before for now, before in zip(granted(), first, strict=True))
    carrier.stop()


def test_somebody_elses_kdamonds_end_everything(kernel, add, carrier):
    add("db", 5001, "/db")
    carrier.apply({"db": TIERED})
    kernel.files["sys/kernel/mm/damon/admin/kdamonds/1/pid"] = "777"
    with pytest.raises(TakenOverError, match="kdamond 1"):
        carrier.carry_out()
    kernel.files["sys/kernel/mm/damon/admin/kdamonds/1/pid"] = "100"


def test_what_the_kernel_refuses_of_one_node_leaves_the_other(kernel, add, carrier):
    add("db", 5001, "/db")
    kernel.write_faults = [Fault("kdamonds/1/state", failure(errno.EINVAL), text="on")]
    carrier.apply({"db": TIERED})
    assert len(moves(kernel)) == 1
    assert "node 0" in carrier.node_trouble
    kernel.write_faults = []
    carrier.carry_out()
    assert len(moves(kernel)) == 2
    assert not carrier.node_trouble


def test_more_tenants_than_there_is_room_for_say_so(tmp_path: Path) -> None:
    kernel = TierKernel()
    with Session(4, kernel=kernel, state_dir=tmp_path) as session:
        session.open()
        carrier = PlanCarrier(session)
        for number, name in enumerate(("a", "b")):
            kernel.spawn(5001 + number)
            kernel.add_cgroup(f"/{name}")
            carrier.add(name, hosted(session, 5001 + number), f"/{name}")
        carrier.apply({"a": TIERED, "b": TIERED})
        assert "raise max_tenants" in carrier.node_trouble["node 0"]
        carrier.stop()


class Killed(BaseException):
    """What a SIGKILL looks like from here."""


def whole_life(kernel: TierKernel, folder: Path) -> None:
    """Two tenants come, are tiered, spare memory, and one goes; nothing is given back."""
    session = Session(8, kernel=kernel, state_dir=folder)
    session.close = lambda: None
    session.open()
    carrier = PlanCarrier(session, lease_s=60.0, tames_khugepaged=True)
    for number, name in enumerate(("a", "b")):
        kernel.spawn(5001 + number)
        kernel.add_cgroup(f"/{name}")
        carrier.add(name, hosted(session, 5001 + number), f"/{name}")
    carrier.apply({"a": replace(TIERED, spare_bytes=256 * MIB), "b": TIERED})
    for _ in range(30):
        kernel.clock_us += 1_000_000
        carrier.advance()
    carrier.remove("a")
    carrier.apply({"b": Plan((PAGE_OUT,), None, DEMOTE, spare_bytes=1 << 40)})


def test_a_kill_at_any_write_of_a_plan_leaves_what_restore_puts_back(tmp_path):
    def spared() -> TierKernel:
        kernel = TierKernel()
        kernel.free_bytes = 600 * MIB
        kernel.files[f"{THP}/enabled"] = "[always] madvise never"
        return kernel

    counted = spared()
    whole_life(counted, tmp_path / "counted")
    count = len(counted.writes)
    assert any("memory/memory" in path for path, _ in counted.writes)
    for nth in range(0, count + 1, 5):
        kernel, left = spared(), [nth]
        before = system_of(kernel)

        def dies(path: str, text: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        kernel.before_write = dies
        try:
            whole_life(kernel, tmp_path / str(nth))
        except Killed:
            pass
        kernel.before_write = lambda path, text: None
        kernel.locked.clear()
        done = restore(kernel, tmp_path / str(nth))
        assert (done.status, system_of(kernel) == before) == (0, True), (nth, done)


def system_of(kernel: TierKernel) -> dict[str, str]:
    """What has to be as it was: all but what the tests themselves make, and what only tells."""
    passing = ("/meminfo", "sys/fs/cgroup")
    files = {**kernel.sysfs, BALANCING: kernel.files[BALANCING]}
    return {path: t for path, t in files.items() if not any(word in path for word in passing)}
